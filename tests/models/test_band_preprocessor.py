import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmseg.structures import SegDataSample

from convnext_dense.io.band_choice import BandInput
from convnext_dense.models.band_preprocessor import BandPreprocessor
from convnext_dense.models.detector import DetBandPreprocessor
from convnext_dense.models.segmentor import SegBandPreprocessor

MEAN, STD = [10.0, 200.0, 3.0, 4.0, -5.0], [1.0, 20.0, 0.5, 4.0, 5.0]


@pytest.mark.parametrize(
    ('kind', 'sample', 'options'),
    [(DetBandPreprocessor, DetDataSample, dict(pad_size_divisor=32)), (SegBandPreprocessor, SegDataSample, {})],
)
def test_each_band_is_normalized_with_its_own_mean_and_std(kind, sample, options):
    preprocess = kind(mean=MEAN, std=STD, bands=(1, 2, 3, 4, 5), rgb_bands=(3, 2, 1), stored_bands=6, **options)
    image = torch.arange(5 * 32 * 32).reshape(5, 32, 32).float()
    one = sample(metainfo=dict(img_shape=(32, 32), ori_shape=(32, 32)))
    out = preprocess({'inputs': [image], 'data_samples': [one]})['inputs'][0]
    expected = (image.numpy() - np.reshape(MEAN, (5, 1, 1))) / np.reshape(STD, (5, 1, 1))
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-5)
    assert preprocess.bands == BandInput((1, 2, 3, 4, 5), (3, 2, 1), 6, None)
    assert 'mean' not in preprocess.state_dict()


def test_as_many_as_bands():
    with pytest.raises(ValueError, match='mean has 5 values and std 5: give one for each of bands 1,2'):
        SegBandPreprocessor(mean=MEAN, std=STD, bands=(1, 2))
    plain = SegBandPreprocessor(bands=(1, 2))
    assert torch.equal(plain({'inputs': [torch.full((2, 4, 4), 9.0)]})['inputs'], torch.full((1, 2, 4, 4), 9.0))


def test_a_batch_without_data_samples_is_normalized_too():
    preprocess = BandPreprocessor(mean=MEAN, std=STD, bands=(1, 2, 3, 4, 5), stored_bands=6)
    images = torch.randn(2, 5, 32, 32) * 100
    out = preprocess({'inputs': images, 'paths': ['a', 'b'], 'seeds': [1, 2]})
    expected = (images.numpy() - np.reshape(MEAN, (5, 1, 1))) / np.reshape(STD, (5, 1, 1))
    np.testing.assert_allclose(out['inputs'].numpy(), expected, rtol=1e-5, atol=1e-5)
    assert (out['paths'], out['seeds']) == (['a', 'b'], [1, 2])
