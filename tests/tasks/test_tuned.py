"""Settings are found in the packaged configs, and their options change exactly what they are for."""

import math
from pathlib import Path

import pytest

from convnext_dense.cli.arguments import parse_options
from convnext_dense.config.find import packaged_configs
from convnext_dense.config.read import read_config
from convnext_dense.tasks import task_of
from convnext_dense.tasks.tuned import rounded, written

CLASSIFIER = 'configs/classification/convnext_t.py'
SEGMENTOR = 'configs/seg/upernet_convnext_t_ade20k.py'
DETECTOR = 'configs/det/cascade_convnext_t_coco.py'
ALL = [
    'configs/classification/convnext_a.py',
    'configs/classification/convnextv2_t.py',
    SEGMENTOR,
    DETECTOR,
    'configs/det/rtmdet_convnext_t_coco.py',
    'configs/det/dino_convnext_t_coco.py',
    'configs/panoptic/mask2former_convnext_t_coco.py',
]


def settings(config: str, options: dict | None = None, weights: bool = False, data: str | None = None):
    cfg = read_config(config, options, data, needs_data=False)
    return cfg, task_of(cfg).tuned_settings(cfg, weights)


def changed(config: str, name: str, value: float, data: str | None = None):
    """The config after the options of a value, through the text of the command line."""
    _, own = settings(config, data=data)
    texts = [f'{key}={written(one)}' for key, one in own[name].options(value).items()]
    assert all(' ' not in text for text in texts)
    return read_config(config, parse_options(texts), data, needs_data=False)


def differences(a, b, where: tuple = ()) -> dict[str, object]:
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        return {k: v for key in keys for k, v in differences(a.get(key), b.get(key), (*where, key)).items()}
    same_length = isinstance(a, list) and isinstance(b, list) and len(a) == len(b)
    if same_length and any(isinstance(one, dict | list) for one in a):
        return {k: v for i in range(len(a)) for k, v in differences(a[i], b[i], (*where, i)).items()}
    return {} if a == b else {'.'.join(map(str, where)): b}


def change(config: str, name: str, value: float, data: str | None = None) -> dict[str, object]:
    cfg = settings(config, data=data)[0]
    return differences(cfg.to_dict(), changed(config, name, value, data).to_dict())


def test_own_values_are_the_configs():
    _, own = settings(CLASSIFIER)
    found = {name: one.own for name, one in own.items()}
    assert found == {
        'lr': 4e-3, 'weight_decay': 0.05, 'layer_decay': 1.0, 'drop_path': 0.1, 'mixup': 1.0, 'randaugment': 9,
        'erasing': 0.25,
    }  # fmt: skip
    assert [name for name, one in own.items() if not one.by_default] == ['layer_decay']
    assert settings(CLASSIFIER, weights=True)[1]['layer_decay'].by_default
    found = {name: one.own for name, one in settings(SEGMENTOR)[1].items()}
    assert found == {
        'lr': 1e-4, 'weight_decay': 0.05, 'layer_decay': 0.9, 'drop_path': 0.4, 'scale_jitter': 1.0,
        'color_jitter': 1.0,
    }  # fmt: skip
    assert list(settings(DETECTOR)[1]) == ['lr', 'weight_decay', 'layer_decay', 'drop_path', 'scale_jitter']


@pytest.mark.parametrize('config', ALL)
def test_own_values_need_no_options(config):
    for name, one in settings(config)[1].items():
        assert one.options(one.own) == {}, name


@pytest.mark.parametrize('data', [None, 'sample'])
@pytest.mark.parametrize('config', ALL)
def test_options_are_of_keys_that_there_are(config, data):
    """Each setting changes something of the training, and nothing of the validation."""
    for name in settings(config, data=data)[1]:
        value = {'lr': 1.7e-3, 'randaugment': 5}.get(name, 0.53)
        found = change(config, name, value, data)
        assert found, name
        assert all(key.startswith(('train_', 'model.', 'optim_', 'custom_hooks')) for key in found), found


@pytest.mark.parametrize(
    ('name', 'value', 'wanted'),
    [
        ('lr', 1.234e-3, {'optim_wrapper.optimizer.lr': 1.234e-3}),
        ('weight_decay', 0.3, {'optim_wrapper.optimizer.weight_decay': 0.3}),
        ('drop_path', 0.25, {'model.backbone.drop_path_rate': 0.25}),
        ('mixup', 0.4, {'model.mixup.prob': 0.4}),
        ('erasing', 0.1, {'train_dataloader.dataset.transform.re_prob': 0.1}),
        ('randaugment', 4, {'train_dataloader.dataset.transform.auto_augment': 'rand-m4-mstd0.5-inc1'}),
        ('layer_decay', 0.8, {'optim_wrapper.paramwise_cfg': {'decay_rate': 0.8, 'scheme': 'layer_wise'}}),
    ],
)
def test_classifier_gets_the_value(name, value, wanted):
    assert change(CLASSIFIER, name, value) == wanted


def test_layer_decay_of_a_config_that_has_one():
    assert change(SEGMENTOR, 'layer_decay', 0.8) == {'optim_wrapper.paramwise_cfg.decay_rate': 0.8}


@pytest.mark.parametrize('spread', [0.0, 0.5, 1.5])
def test_scale_jitter_spreads_the_ratio(spread):
    (value,) = change(SEGMENTOR, 'scale_jitter', spread).values()
    assert list(value) == pytest.approx([0.5**spread, 2.0**spread], rel=1e-3)


@pytest.mark.parametrize('spread', [0.5, 1.5])
def test_scale_jitter_spreads_the_sides_around_their_geometric_mean(spread):
    config = 'configs/det/faster_rcnn_convnext_t_coco.py'
    cfg = settings(config)[0]
    for key, value in change(config, 'scale_jitter', spread).items():
        part = cfg
        for name in key.split('.'):
            part = part[int(name) if isinstance(part, list) else name]
        before, after = ([math.log(min(size)) for size in sizes] for sizes in (part, value))
        assert sum(after) / len(after) == pytest.approx(sum(before) / len(before), abs=2e-3)
        assert max(after) - min(after) == pytest.approx(spread * (max(before) - min(before)), abs=5e-3)
        assert {max(size) for size in value} == {max(size) for size in part}, 'the longer side has its limit'


def test_color_jitter_is_a_factor_on_what_the_config_has():
    found = change(SEGMENTOR, 'color_jitter', 0.5)
    step = next(iter(found)).rpartition('.')[0]
    assert {key.removeprefix(f'{step}.'): value for key, value in found.items()} == {
        'type': 'mmseg.PhotoMetricDistortion', 'brightness_delta': 16, 'contrast_range': (0.75, 1.25),
        'saturation_range': (0.75, 1.25), 'hue_delta': 9,
    }  # fmt: skip
    found = change('configs/det/rtmdet_convnext_t_coco.py', 'color_jitter', 2.0)
    assert sorted(set(found.values())) == [10, 60]


def test_every_packaged_config_has_settings():
    for path in list(packaged_configs().values())[::9]:
        cfg = read_config(str(path), needs_data=False)
        own = task_of(cfg).tuned_settings(cfg, True)
        assert {'lr', 'weight_decay'} <= own.keys(), Path(path).name


def test_values_are_written_as_the_command_line_takes_them():
    for value in (0.1, 1e-7, 3, 'rand-m4', [(1, 2), (3, 4)], (0.5, 2.0), dict(a=0.5, b='x'), True, None):
        assert parse_options([f'key={written(value)}']) == {'key': value}
    assert rounded(0.000123456) == 0.0001235 and rounded(12345.6) == 12350.0
