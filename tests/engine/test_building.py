"""Parts of a config that cannot be built are named."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset

from convnext_dense.config.read import read_config
from convnext_dense.data.foreign import with_seeds
from convnext_dense.engine import Runner
from convnext_dense.engine.building import build_model, class_shapes, describe_unused_regions
from convnext_dense.errors import UserError
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.settings import settings_for_meta
from tests.helpers import small_models
from tests.helpers.other_heads import write_head
from tests.helpers.panoptic_heads import write_panoptic_head
from tests.helpers.run_tool import train
from tests.helpers.small_classifier import ARCH, classifier, official, save


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('model.backbone.drop_paht_rate=0.1', 'model can.t be built.*drop_paht_rate'),
        ('model.backbone.arch=teeny', 'unknown arch .teeny.: take one of zepto, atto'),
        ('optim_wrapper.optimizer.type=Adamm', "there is no 'Adamm' .*: did you mean Adam"),
        ('val_evaluator.type=Accuracyy', 'can.t be built.*Accuracyy'),
        ('train_dataloader.batch_size=500', '48 training images are fewer than one batch'),
        ('train_dataloader.batch_size=7', 'batch size must be even'),
        ('model.type=Classifier', 'did you mean convnext_dense.ImageClassifier'),
    ],
)
def test_option_that_cannot_be_built(error, image_folder, tmp_path, option, said):
    assert train(image_folder, tmp_path, '--epochs', '2', options=(option,)) == 2
    assert re.search(said, line := error()), line


def test_a_model_can_be_built_twice_from_one_config(tmp_path):
    """mmdet's DETR head writes a tensor into its config."""
    cfg = read_config(str(write_head('detr', tmp_path)), needs_data=False)
    text = cfg.pretty_text
    for _ in range(2):
        with torch.device('meta'):
            build_model(cfg)
        assert cfg.pretty_text == text


@pytest.mark.parametrize(
    ('name', 'shapes'),
    [
        (
            'fcos',
            {'bbox_head.conv_cls.weight': ((0, 16, 3, 3), (1, 0, 0, 0)), 'bbox_head.conv_cls.bias': ((0,), (1,))},
        ),
        (
            'retinanet',  # six anchors
            {
                'bbox_head.retina_cls.weight': ((0, 16, 3, 3), (6, 0, 0, 0)),
                'bbox_head.retina_cls.bias': ((0,), (6,)),
            },
        ),
        ('detr', {'bbox_head.fc_cls.weight': ((1, 32), (1, 0)), 'bbox_head.fc_cls.bias': ((1,), (1,))}),
        (
            'maskformer',
            {'decode_head.cls_embed.weight': ((1, 32), (1, 0)), 'decode_head.cls_embed.bias': ((1,), (1,))},
        ),
    ],
)
def test_shapes_with_the_number_of_classes_are_found_by_building_the_model(name, shapes, tmp_path):
    cfg = read_config(str(write_head(name, tmp_path)), needs_data=False)
    before, state = cfg.pretty_text, torch.get_rng_state()
    assert class_shapes(cfg) == shapes
    assert cfg.pretty_text == before and torch.equal(torch.get_rng_state(), state)


def test_shapes_of_a_part_that_learns_stuff_alone_are_found(tmp_path):
    """Besides those of the number of things, which are as many as in a detector."""
    cfg = read_config(str(write_panoptic_head('panoptic_fpn', tmp_path)), needs_data=False)
    shapes = class_shapes(cfg)
    assert shapes['semantic_head.conv_logits.weight'] == ((1, 16, 1, 1), (1, 0, 0, 0))
    assert shapes['roi_head.bbox_head.fc_cls.weight'] == ((1, 16), (1, 0))
    assert set(shapes) == {
        *(f'roi_head.bbox_head.{layer}.{kind}' for layer in ('fc_cls', 'fc_reg') for kind in ('weight', 'bias')),
        *(f'roi_head.mask_head.conv_logits.{kind}' for kind in ('weight', 'bias')),
        *(f'semantic_head.conv_logits.{kind}' for kind in ('weight', 'bias')),
    }


def test_a_head_of_one_channel_is_taken_for_one_of_two_classes_unless_asked(tmp_path):
    options = {'model.decode_head.out_channels': 1, 'model.decode_head.num_classes': 2}
    cfg = read_config(str(write_head('fcn', tmp_path)), options, needs_data=False)
    assert class_shapes(cfg) == {}
    assert list(class_shapes(cfg, channel_per_class=True)) == [
        'decode_head.conv_seg.weight',
        'decode_head.conv_seg.bias',
    ]


def test_a_number_of_classes_by_hand_is_compared_with_the_data(error, image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--epochs', '2', options=('model.num_classes=5',)) == 2
    assert '--cfg-options sets num_classes to 5, and the data have 3 classes: leave it out' in error()


def test_a_runner_compares_the_heads_with_its_data(image_folder, tmp_path):
    cfg = read_config('configs/classification/convnext_a.py', data=str(image_folder))
    cfg.model.num_classes = 4
    cfg.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    cfg.work_dir = str(tmp_path / 'run')
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError, match='the model has 4 classes, and the data 3: give model num_classes=3'):
        runner.train()


OTHER = dict(norm_eps=1e-1, final_norm_eps=1e-2, activation='silu')
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def built_with(init: dict, place: str = 'backbone', task: str = 'classification', **backbone) -> nn.Module:
    """Our small model of a task, initialized as mmengine does it."""
    base, _ = small_models.CONFIGS[task]
    cfg = read_config(str(small_models.ROOT / 'configs' / base), needs_data=False)
    cfg.model.backbone.update(arch=ARCH, **backbone)
    if task == 'classification':
        cfg.model.num_classes = 4
    else:
        cfg.model.neck.in_channels = ARCH['dims']
    part = cfg.model.backbone if place == 'backbone' else cfg.model
    part.init_cfg = dict(type='Pretrained', **init)
    model = build_model(cfg)
    model.init_weights()
    return model.eval()


def written(model: nn.Module, how: str, path: Path) -> Path:
    """A file of a model's weights."""
    if how == 'ours':
        return save(
            {'state_dict': model.state_dict(), 'meta': {'convnext_dense': '0', **settings_for_meta(model)}}, path
        )
    if how == 'official':
        return save(official(model), path)
    if how == 'timm':
        return save(convert(model.state_dict(), 'timm').state, path)
    state = {name: t for name, t in model.state_dict().items() if name.startswith('backbone.')}
    return save({'state_dict': state}, path)  # as mmpretrain has it


@pytest.mark.parametrize('place', ['backbone', 'model'])
@pytest.mark.parametrize('how', ['ours', 'official', 'timm', 'mmpretrain'])
def test_weights_in_init_cfg_are_taken_as_pretrained_ones_are(how, place, tmp_path):
    """In any format, and with the eps and the activation of their network."""
    model = classifier(**(OTHER if how == 'ours' else {})).eval()
    file = written(model, how, tmp_path / 'w.pth')
    found = built_with(dict(checkpoint=str(file)), place)
    torch.testing.assert_close(found.backbone(IMAGES), model.backbone(IMAGES), rtol=1e-5, atol=1e-5)
    if place == 'model' and how != 'mmpretrain':
        torch.testing.assert_close(found(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)
    assert settings_for_meta(found) == settings_for_meta(model)


def test_weights_in_init_cfg_of_a_detectors_backbone(tmp_path):
    model = classifier(**OTHER).eval()
    file = written(model, 'ours', tmp_path / 'epoch_3.pth')
    for source in (file, tmp_path):  # a work dir, too
        found = built_with(dict(checkpoint=str(source), prefix='backbone.'), task='detection').backbone
        assert (found.norm_eps, found.activation) == (1e-1, 'silu')
        other = model.backbone.state_dict()
        assert all(torch.equal(t, other[name]) for name, t in found.state_dict().items() if name in other)


@pytest.mark.parametrize(
    ('init', 'backbone', 'said'),
    [
        ({}, dict(activation='gelu'), r'the activation of .*w\.pth is silu, this model gelu'),
        ({}, dict(version=2), r'w\.pth .* does not fit this backbone'),
        (dict(prefix='encoder.'), {}, r"init_cfg of ConvNeXt: leave out prefix='encoder\.'"),
        (dict(checkpoint='absent.pth'), {}, r'no checkpoint at absent\.pth'),
    ],
)
def test_weights_in_init_cfg_that_do_not_fit_are_refused(init, backbone, said, tmp_path):
    file = written(classifier(**OTHER), 'ours', tmp_path / 'w.pth')
    with pytest.raises(UserError, match=said):
        built_with({'checkpoint': str(file), **init}, **backbone)


class Sized(SimpleNamespace):
    def __len__(self) -> int:
        return 1


def test_a_detector_that_does_not_know_ignore_regions_is_named():
    ours, theirs = ({'assigner': {'type': f'{scope}.MaxIoUAssigner'}} for scope in ('convnext_dense', 'mmdet'))
    atss = {'assigner': {'type': 'mmdet.ATSSAssigner'}}
    for model, regions, said in (
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, ours]}}, 3, None),
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, theirs]}}, 0, None),
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, theirs]}}, 3, r'its assigners (mmdet.MaxIoUAssigner) do not know'),
        ({'train_cfg': atss}, 3, 'its assigners (mmdet.ATSSAssigner) do not know them'),
        ({'bbox_head': {'type': 'mmdet.FCOSHead'}}, 1, 'it does not know them'),
    ):
        own, bare = Sized(ignore_regions=regions), Sized()
        line = describe_unused_regions(model, own)
        assert (line is None) if said is None else (said in line and f'have {regions} ignore regions' in line)
        wrapped = with_seeds(ConcatDataset([own, ConcatDataset([bare, own])]))
        line = describe_unused_regions(model, wrapped)
        assert (line is None) if said is None else (f'have {2 * regions} ignore regions' in line)


@pytest.mark.parametrize(
    ('model', 'says'),
    [
        (dict(decode_head=dict(type='mmseg.Mask2FormerHead', pixel_decoder={})), True),
        (dict(panoptic_head=dict(pixel_decoder={}, num_things_classes=8, num_stuff_classes=3)), True),
        (dict(panoptic_head=dict(pixel_decoder={}, num_things_classes=8, num_stuff_classes=0)), False),
        (dict(decode_head=dict(type='mmseg.FCNHead')), False),
        (dict(decode_head=[dict(type='mmseg.FCNHead'), dict(type='mmseg.OCRHead')]), False),
    ],
)
def test_a_head_that_takes_pixels_without_a_class_as_in_no_mask_is_said(model, says):
    line = describe_unused_regions(model, Sized())
    assert (line is not None) == says and (not says or line.startswith('pixels without a class are learned as'))
