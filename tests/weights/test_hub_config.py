"""What weights don't tell about their network: eps and GELU, from the config beside them."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import save_file

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.loading import load_pretrained

DEPTHS, DIMS = [1, 1, 1, 1], [4, 8, 12, 16]


def classifier(**backbone) -> ImageClassifier:
    arch = dict(depths=DEPTHS, dims=DIMS)
    return ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, **backbone), 4).eval()


def repository(folder: Path, format: str, config: dict | None) -> Path:
    folder.mkdir()
    state = convert(classifier().state_dict(), format).state
    save_file({n: t.contiguous() for n, t in state.items()}, folder / 'model.safetensors')
    if config is not None:
        (folder / 'config.json').write_text(json.dumps(config))
    return folder / 'model.safetensors'


def test_transformers_own_folder_gives_its_logits_with_its_eps(tmp_path):
    config = transformers.ConvNextConfig(depths=DEPTHS, hidden_sizes=DIMS, num_labels=4, layer_norm_eps=0.1)
    theirs = transformers.ConvNextForImageClassification(config).eval()
    torch.nn.init.normal_(theirs.classifier.weight)
    theirs.save_pretrained(tmp_path)
    file = tmp_path / 'model.safetensors'
    with pytest.raises(UserError, match=r'has eps 0\.1, this model 0\.01: leave model\.backbone\.final_norm_eps out$'):
        load_pretrained(classifier(final_norm_eps=0.01), file)
    ours = classifier()
    assert "final norm's eps 0.1 and exact GELU, from config.json" in load_pretrained(ours, file)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images).logits, rtol=0, atol=1e-5)


def test_a_model_without_a_final_norm_takes_any_eps(tmp_path):
    file = repository(tmp_path / 'r', 'hf', {'model_type': 'convnext'})  # transformers' own eps is 1e-12
    dense = torch.nn.Module()
    dense.backbone = ConvNeXt(dict(depths=DEPTHS, dims=DIMS))
    assert 'eps 1e-12' in load_pretrained(dense, file)
    model = classifier()
    load_pretrained(model, file)
    assert model.backbone.norm.eps == 1e-12


def test_a_segmentor_of_transformers_has_the_config_of_its_backbone_inside(tmp_path):
    backbone = transformers.ConvNextConfig(
        depths=DEPTHS, hidden_sizes=DIMS, out_features=[f'stage{s}' for s in range(1, 5)]
    )
    config = transformers.UperNetConfig(backbone_config=backbone, hidden_size=8, auxiliary_in_channels=DIMS[2])
    theirs = transformers.UperNetForSemanticSegmentation(config).eval()
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.3)
    theirs.save_pretrained(tmp_path)
    ours = torch.nn.Module()
    ours.backbone = ConvNeXt(dict(depths=DEPTHS, dims=DIMS)).eval()
    assert 'fresh: nothing' in load_pretrained(ours, tmp_path / 'model.safetensors')
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for own, other in zip(ours.backbone(images), theirs.backbone(images).feature_maps, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ('format', 'config', 'said'),
    [
        ('hf', {'model_type': 'convnext', 'hidden_act': 'gelu_new'}, 'not exact GELU'),
        ('hf', {'model_type': 'vit'}, 'is not the config of a ConvNeXt'),
        ('timm', {'architecture': 'test_convnext'}, 'not exact GELU'),
        (
            'timm',
            {'architecture': 'convnext_tiny', 'model_args': {'act_layer': 'gelu_tanh'}},
            'activation is not exact GELU',
        ),
        ('timm', {'architecture': 'convnext_tiny', 'model_args': {'norm_eps': 1e-5}}, 'eps 1e-05, not 1e-06'),
        ('timm', {'architecture': 'convnext_atto_rms'}, 'is not the config of a ConvNeXt'),
        ('timm', {'architecture': 'hf_hub:someone/else'}, 'is not the config of a ConvNeXt'),
        ('timm', [], 'is not the config of a ConvNeXt'),
    ],
)
def test_what_our_network_does_not_compute_is_refused(tmp_path, format, config, said):
    with pytest.raises(UserError, match=said) as error:
        load_pretrained(classifier(), repository(tmp_path / 'r', format, config))
    assert 'config.json' in str(error.value)


def test_what_it_computes_is_taken_and_an_assumption_is_stated(tmp_path):
    of_timm = {'architecture': 'convnext_tiny', 'model_args': {'checkpoint_path': '/etc/passwd'}}
    line = load_pretrained(classifier(), repository(tmp_path / 'a', 'timm', of_timm))
    assert line.endswith("final norm's eps 1e-06 and exact GELU, from config.json")
    for name, format in (('b', 'timm'), ('c', 'hf')):
        line = load_pretrained(classifier(), repository(tmp_path / name, format, None))
        assert line.endswith("final norm's eps 1e-06 and exact GELU assumed, without a config.json")


@pytest.mark.parametrize(
    ('name', 'config', 'said'),
    [
        (
            'open_clip_model.safetensors',
            {'model_cfg': {'vision_cfg': {'timm_model_name': 'convnext_base'}}},
            r'open_clip_config\.json contradicts its weights: depths .* is \(3, 3, 27, 3\) there, and \(1, 1, 1, 1\)',
        ),
        (
            'model.safetensors',
            {'model_type': 'detr', 'backbone_config': {'model_type': 'timm_backbone', 'backbone': 'convnext_atto'}},
            r'config\.json contradicts its weights: depths',
        ),
        (
            'model.safetensors',
            {'model_type': 'detr', 'use_timm_backbone': True, 'backbone': 'convnext_atto', 'output_stride': 16},
            'output_stride 16, with dilated convolutions',
        ),
        (
            'open_clip_model.safetensors',
            {'model_cfg': {'vision_cfg': {'layers': [3, 4, 6, 3]}}},
            r'open_clip_config\.json is not the config of a ConvNeXt',
        ),
    ],
)
def test_configs_of_open_clip_and_of_detectors_are_held_against_the_weights(tmp_path, name, config, said):
    state = convert(classifier().state_dict(), 'timm').state
    save_file({f'visual.trunk.{n}': t.contiguous() for n, t in state.items()}, tmp_path / name)
    file = 'open_clip_config.json' if name.startswith('open_clip') else 'config.json'
    (tmp_path / file).write_text(json.dumps(config))
    with pytest.raises(UserError, match=said):
        load_pretrained(classifier(), tmp_path / name)
