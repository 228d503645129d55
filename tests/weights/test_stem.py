from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convnext_dense.errors import UserError
from convnext_dense.io.band_choice import BandInput
from convnext_dense.models import ConvNeXt
from convnext_dense.weights.extraction import Weights
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.preprocessing import IMAGENETS, Preprocessing
from convnext_dense.weights.settings import NetworkSettings
from convnext_dense.weights.stem import STEM, fit_stem

ARCH = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])


def model(channels):
    return nn.ModuleDict({'backbone': ConvNeXt(ARCH, in_channels=channels)})


def weights_of(net, preprocessing=None):
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    return Weights(Path('rgb.pth'), 'official', state, [], NetworkSettings(), None, None, preprocessing)


def fitted(bands, rgb, weight):
    own = {STEM: torch.zeros(2, len(bands), 4, 4)}
    loaded, line = fit_stem(own, {STEM: weight}, BandInput(bands, rgb), None)
    return loaded[STEM], line


def test_red_green_and_blue_keep_their_weights_and_others_get_the_mean():
    weight = torch.randn(2, 3, 4, 4)
    stem, line = fitted((8, 4, 3, 2, 1), (4, 3, 2), weight)
    mean = weight.mean(1)
    expected = torch.stack([mean, weight[:, 0], weight[:, 1], weight[:, 2], mean], dim=1) * 3 / 5
    torch.testing.assert_close(stem, expected)
    assert line == (
        '; the stem is fitted to 5 bands: red, green and blue of bands 4,3,2 keep their weights, '
        'bands 8,1 get the mean of the three, all times 3 / 5'
    )


def test_three_bands_in_the_order_of_red_green_and_blue_change_nothing():
    weight = torch.randn(2, 3, 4, 4)
    stem, line = fitted((4, 3, 2), (4, 3, 2), weight)
    assert stem is weight
    assert line == '; the stem takes bands 4,3,2 as red, green and blue, with its own weights'
    swapped, line = fitted((2, 3, 4), (4, 3, 2), weight)
    torch.testing.assert_close(swapped, weight.flip(1))
    assert line == '; the stem is fitted to 3 bands: red, green and blue of bands 4,3,2 keep their weights'


def test_one_band_gives_what_three_equal_ones_gave():
    weight, gray = torch.randn(2, 3, 4, 4), torch.randn(1, 1, 16, 16)
    stem, line = fitted((1,), (), weight)
    torch.testing.assert_close(F.conv2d(gray, stem, stride=4), F.conv2d(gray.expand(1, 3, 16, 16), weight, stride=4))
    assert line == '; the stem is fitted to 1 bands: band 1 gets the mean of the three, all times 3 / 1'


def test_weights_of_bands_and_of_other_channels_stay():
    six, rgb = {STEM: torch.zeros(2, 6, 4, 4)}, {STEM: torch.ones(2, 3, 4, 4)}
    bands = BandInput((1, 2, 3, 4, 5, 6), (1, 2, 3))
    of_bands = Preprocessing((0.0,) * 3, (1.0,) * 3, bands=BandInput((7, 8, 9)))
    assert fit_stem(six, rgb, bands, of_bands) == (rgb, '')
    four = {STEM: torch.ones(2, 4, 4, 4)}
    assert fit_stem(six, four, bands, None) == (four, '')


def test_loading_fits_the_stem_of_a_run_with_bands_alone():
    torch.manual_seed(0)
    rgb, six = model(3), model(6)
    found = weights_of(rgb, IMAGENETS)
    bands = BandInput((1, 2, 3, 4, 5, 6), (1, 2, 3))
    used = Preprocessing((0.0,) * 6, (1.0,) * 6, bands=bands)
    line = load_pretrained(six, found, used=used)
    assert 'the stem is fitted to 6 bands' in line
    image = torch.randn(1, 3, 64, 64)
    # 6 bands of one image in gray: the same sum of weights as three
    gray = image.mean(1, keepdim=True)
    torch.testing.assert_close(
        six.backbone(gray.expand(1, 6, 64, 64))[0], rgb.backbone(gray.expand(1, 3, 64, 64))[0], rtol=1e-4, atol=1e-4
    )
    with pytest.raises(UserError, match=r'does not fit this backbone'):
        load_pretrained(model(6), found, used=IMAGENETS)
    own = weights_of(six, used)
    again = model(6)
    assert 'stem' not in load_pretrained(again, own, used=used)
    torch.testing.assert_close(again.state_dict(), six.state_dict())
