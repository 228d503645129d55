"""Preprocessing in the config's text of checkpoints of mmdet, mmseg and mmpretrain, which is parsed and never run."""

import pytest

from convnext_dense.weights.config_text import backbone_in, initial_weights, preparation_in, value_in_config

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
TOLD = {'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'bgr': False}
NUMBERS = f'mean={MEAN}, std={STD}'


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        (f"model = dict(type='X', data_preprocessor=dict({NUMBERS}, bgr_to_rgb=True))", TOLD),
        (f'data_preprocessor = dict({NUMBERS}, to_rgb=True)\nmodel = dict(backbone=dict(mean=3))', TOLD),
        (f'img_norm_cfg = dict(\n    {NUMBERS},\n    to_rgb=True)\n', TOLD),  # of mmcv 1
        (f"model = {{'data_preprocessor': {{'mean': {MEAN}, 'std': {STD}, 'rgb_to_bgr': True}}}}", TOLD),
        (f"data = dict(test=dict(pipeline=[dict(type='Normalize', {NUMBERS}, to_rgb=True)]))", TOLD),
        (f'model = dict(data_preprocessor=dict({NUMBERS}, bgr_to_rgb=False))', {**TOLD, 'bgr': True}),
        ('data_preprocessor = dict(mean=[127.5], std=[51], to_rgb=True)', {'mean': 0.5, 'std': 0.2, 'bgr': False}),
        ('model = dict(data_preprocessor=None)', None),
        ('model = dict(', None),
        ('raise SystemExit', None),
    ],
    ids=str,
)
def test_mean_and_std(text, wanted):
    assert preparation_in(text) == wanted


PACK = "dict(type='PackInputs')"
CROPPED = "dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic')"
WARPED = "dict(type='Resize', scale=384, backend='pillow', interpolation='bicubic')"


@pytest.mark.parametrize(
    ('steps', 'wanted'),
    [
        (
            f"{CROPPED}, dict(type='CenterCrop', crop_size=224), {PACK}",
            dict(input_size=(224, 224), crop_ratio=0.875, crop_mode='center', interpolation='bicubic'),
        ),
        (
            f'{WARPED}, {PACK}',
            dict(input_size=(384, 384), crop_ratio=1.0, crop_mode='squash', interpolation='bicubic'),
        ),
        (
            "dict(type='Resize', size=(236, -1), backend='pillow'), dict(type='CenterCrop', crop_size=224), "
            "dict(type='ImageToTensor', keys=['img'])",
            dict(input_size=(224, 224), crop_ratio=224 / 236, crop_mode='center', interpolation='bilinear'),
        ),
        (f"{CROPPED.replace('pillow', 'cv2')}, dict(type='CenterCrop', crop_size=224), {PACK}", {}),
        ("dict(type='Resize', scale=(2048, 512), keep_ratio=True), dict(type='PackSegInputs')", {}),
    ],
    ids=str,
)
def test_a_classifiers_size_and_crop(steps, wanted):
    text = (
        f'data_preprocessor = dict({NUMBERS}, to_rgb=True)\ntest_dataloader = dict(dataset=dict(pipeline=[{steps}]))'
    )
    assert preparation_in(text) == {**TOLD, **wanted}


TEXT = "a = 1\nmodel = dict(task='inner')\ntask = 'segmentation'\nbad = open('x')\nlist = [1, 2]\n"


@pytest.mark.parametrize(
    ('key', 'value'),
    [('task', 'segmentation'), ('a', 1), ('list', [1, 2]), ('bad', None), ('model', None), ('absent', None)],
)
def test_literals_at_the_top_are_read_and_nothing_runs(key, value):
    assert value_in_config(TEXT, key) == value


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ("pretrained = 'a.pth'\nload_from = 'b.pth'\nresume = True", ['a.pth']),
        ("pretrained = None\nload_from = 'b.pth'\nresume = False", ['b.pth']),
        ("model = dict(neck=[dict(init_cfg=dict(type='Pretrained', checkpoint='c.pth'))])", ['c.pth']),
        ('pretrained = None', []),
        ('pretrained = (', None),
    ],
)
def test_weights_that_a_run_started_from(text, wanted):
    assert initial_weights(text) == wanted


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        (
            "model = dict(backbone=dict(type='A', eps=1e-5), neck=dict(backbone=dict(type='B')))",
            {'type': 'A', 'eps': 1e-5},
        ),
        ("model = dict(detector=dict(backbone={'type': 'B'}))", {'type': 'B'}),
        ("model = dict(backbone='resnet')\nbackbone = dict(type='C')", None),
        ('model = dict(', None),
    ],
)
def test_the_backbone_of_a_model(text, wanted):
    assert backbone_in(text) == wanted
