"""Folders in timm's layout, loaded by timm: image in, logits out."""

import json

import pytest
import timm
import torch
from torch import nn

from convnext_dense.data.classification.transforms import eval_transform
from convnext_dense.errors import UserError
from convnext_dense.export.hub.model import shared_model
from convnext_dense.export.hub.timm_layout import write_timm
from convnext_dense.models import ImageClassifier
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.preprocessing import Preprocessing
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.pushed import CLASSES, checkpoint, largest_difference, photo, push, randomize
from tests.helpers.small_classifier import ARCH, save


def loaded(folder, **arguments) -> nn.Module:
    return timm.create_model(f'local-dir:{folder}', pretrained=True, **arguments).eval()


@pytest.mark.parametrize('backbone', [{}, {'version': 2}, {'layer_scale_init_value': 0}])
def test_timm_computes_the_same_logits_from_the_same_image(tmp_path, backbone):
    path, model = checkpoint(tmp_path / 'x.pth', **backbone)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    theirs = loaded(tmp_path / 'out')
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))
    image = photo()
    assert largest_difference(transform(image), eval_transform(224)(image)) == 0
    with torch.no_grad():
        own = model.double()(eval_transform(224)(image)[None].double())
        assert own.std() > 0.01
        assert largest_difference(theirs.double()(transform(image)[None].double()), own) < 1e-10
    assert list(theirs.pretrained_cfg['label_names']) == CLASSES


def test_a_size_that_timm_has_a_name_for_goes_by_it(tmp_path):
    for version, name in ((1, 'convnext_atto'), (2, 'convnextv2_atto')):
        path, model = checkpoint(tmp_path / f'{name}.pth', version=version, arch='atto')
        assert push(path, tmp_path / name, '--to', 'timm') == 0
        config = json.loads((tmp_path / name / 'config.json').read_text())
        assert config['architecture'] == name and 'depths' not in config['model_args']
        x = torch.rand(1, 3, 64, 64)
        with torch.no_grad():
            assert largest_difference(loaded(tmp_path / name)(x), model(x)) < 1e-4


VARIANTS = [
    ({'stem': 'overlap_tiered', 'arch': 'atto'}, 'convnext_atto_ols'),
    ({'stem': 'overlap', 'arch': 'atto'}, 'convnext_atto_ols'),
    ({'stem': 'overlap_act', 'activation': 'silu'}, 'convnext_tiny'),
    ({'norm': 'rms_norm', 'arch': 'atto'}, 'convnext_atto_rms'),
    ({'norm': 'rms_norm'}, 'convnext_tiny'),
    ({'norm': 'simple_norm', 'version': 2}, 'convnextv2_tiny'),
    ({'norm': 'simple_norm', 'arch': 'zepto'}, 'convnext_zepto_rms'),
    ({'norm_before_pooling': True, 'version': 2}, 'convnextv2_tiny'),
    ({'kernel_size': (3, 5, 7, 9), 'norm_eps': 1e-3, 'final_norm_eps': 1e-3}, 'convnext_tiny'),
    ({'activation': 'gelu_tanh', 'version': 2}, 'convnextv2_tiny'),
    ({'activation': 'hard_swish'}, 'convnext_tiny'),
]


@pytest.mark.parametrize(('backbone', 'name'), VARIANTS)
def test_variants_are_timms_own(tmp_path, backbone, name):
    path, model = checkpoint(tmp_path / 'x.pth', **backbone)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    assert json.loads((tmp_path / 'out' / 'config.json').read_text())['architecture'] == name
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        own = model.double()(x)
        assert own.std() > 0.01
        assert largest_difference(loaded(tmp_path / 'out').double()(x), own) < 1e-9


def test_a_head_with_a_hidden_layer(tmp_path):
    backbone = dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None)
    model = randomize(ImageClassifier(backbone, 3, head_hidden_size=5))
    path = save({'state_dict': model.state_dict()}, tmp_path / 'x.pth')
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert largest_difference(loaded(tmp_path / 'out')(x), model(x)) < 1e-5


def test_a_timm_that_lacks_the_network_is_named(tmp_path, monkeypatch, capsys):
    def build(**arguments: object) -> nn.Module:
        raise TypeError("unexpected keyword argument 'act_layer'")

    path, _ = checkpoint(tmp_path / 'x.pth', activation='silu')
    monkeypatch.setattr(timm.models, 'model_entrypoint', lambda name: build)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 2
    err = capsys.readouterr().err
    assert f'does not fit convnext_tiny of timm {timm.__version__} (unexpected' in err and 'newer timm' in err


def test_norms_of_an_unknown_kind_are_refused(tmp_path, capsys):
    path, model = checkpoint(tmp_path / 'x.pth', norm='rms_norm')
    save({'state_dict': model.state_dict()}, path)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 2
    assert 'nothing tells whether RMSNorm or SimpleNorm' in capsys.readouterr().err


def test_what_is_loaded_is_ready_for_other_classes_and_without_any(tmp_path):
    path, model = checkpoint(tmp_path / 'x.pth')
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    assert loaded(tmp_path / 'out', num_classes=7)(torch.rand(1, 3, 64, 64)).shape == (1, 7)
    assert push(path, tmp_path / 'features', '--to', 'timm', '--backbone') == 0
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert largest_difference(loaded(tmp_path / 'features')(x), model.backbone(x)) < 1e-5


def test_other_channels_of_images(tmp_path):
    path, model = checkpoint(tmp_path / 'x.pth', in_channels=4)
    content = read_checkpoint(path)
    content['meta']['preprocessing'] = {'mean': [0.5] * 4, 'std': [0.25] * 4}
    save(content, path)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    x = torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        assert largest_difference(loaded(tmp_path / 'out')(x), model(x)) < 1e-5


CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@pytest.mark.parametrize(
    ('size', 'options'),
    [
        (224, {}),
        (224, {'crop_ratio': 0.95, 'interpolation': 'bilinear'}),
        (384, {}),
        (384, {'crop_ratio': 0.9, 'crop_mode': 'center'}),
        (256, {'crop_ratio': 1.0, 'crop_mode': 'border'}),
        (256, {'crop_ratio': 1.0, 'crop_mode': 'squash'}),
    ],
)
def test_images_are_prepared_as_here_whatever_the_preprocessing(tmp_path, size, options):
    path, _ = checkpoint(tmp_path / 'x.pth')
    names = ('crop_ratio', 'interpolation', 'crop_mode')
    images = Preprocessing(*CLIP, (size, size), *(options.get(name) for name in names))
    write_timm(shared_model(extract_weights(read_checkpoint(path), path), images), tmp_path)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(loaded(tmp_path)))
    expected = eval_transform(size, mean=CLIP[0], std=CLIP[1], **options)(photo())
    assert largest_difference(transform(photo()), expected) == 0


def test_a_border_of_another_level_than_the_mean_is_refused(tmp_path):
    path, _ = checkpoint(tmp_path / 'x.pth')
    images = Preprocessing((0.5,) * 3, (0.5,) * 3, (224, 224), 1.0, 'bicubic', 'border', 'a.json', border=0)
    model = shared_model(extract_weights(read_checkpoint(path), path), images)
    with pytest.raises(UserError, match=r'get level 0 \(a\.json\)'):
        write_timm(model, tmp_path)


def test_an_eps_of_the_final_norm_alone_is_refused(tmp_path, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth', final_norm_eps=1e-12)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 2
    assert 'timm has one eps for all norms' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
