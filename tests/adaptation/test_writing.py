"""Adapted configs as text: reading it gives the same values, and it has the form of the packaged configs."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.adaptation import Adapted, Notes, SourceConfig, adapt, find_arch
from convnext_dense.adaptation.writing import config_text, settings_text
from convnext_dense.config.file import parse_file
from convnext_dense.config.source import read_literals
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ROOT

VALUES = [
    *(0, -3, 10**12, 0.0, -0.0, 1e-4, -1e-4, 2.5e-5, 1e-3, 0.05, 1 / 3, 1e8, 1e6, 999999.5, 5e-324, 1.797e308),
    *(1.0 / 9.0, 0.1 + 0.2, 123456789.123, math.inf, -math.inf, True, False, None, b'x', range(1, 9, 2)),
    *('', 'a', "it's", 'say "x"', '"it\'s"', 'a\\b', 'two\nlines', 'ä – 漢', '{{{', '{{ fileDirname }}'),
    *('{{_base_.a}}', '{{$HOME:x}}', [], (), {}, [[]], ({},), (1,), [(1, 2), [3, (4,)]], [1.5, 'x']),
    *((dict(type='A', size=(1, 2)), dict(type='B', x=[None])), {'backbone.': {'lr_mult': 0.1}}, {'class': 1}),
    *({1: 'a', (1, 2): 'b', None: 0}, {'a b': {'c': {}}, 'd': 1}, {'type': 'X', 'from': 2}),
    dict(norm=dict(a=1), pipeline=[dict(type='Resize', scales=[(480, 1333), (800, 1333)], keep_ratio=True)] * 3),
    {'embed': dict(decay_mult=0.0), 'x' * 60: [dict(a='y' * 50, b=['z' * 60, 'w' * 70])], 'long': 'q' * 200},
    [list(range(60)), tuple(f'name of class {number}' for number in range(30))],
    dict(a=dict(b=dict(c=dict(d=dict(e=dict(f=[*'abcdefghijklmnopqrstuvwxyz'], g=(*'abcdefghijklmnopqrst',))))))),
]


def same(one: object, other: object) -> bool:
    """Equal in type and value, at every depth, nan and -0.0 included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


def read(text: str, folder: Path) -> dict:
    (folder / 'c.py').write_text(text, encoding='utf-8')
    return parse_file(folder / 'c.py').to_dict()


def adapted(config: dict, changed: tuple[str, ...] = (), undecided: tuple[str, ...] = ()) -> Adapted:
    source = SourceConfig('mmdet:dino/a.py', 'mmdet', Path('a.py'), Config())
    return Adapted(source, find_arch('v2_tiny'), config, Notes(list(changed), list(undecided)))


def test_every_value_is_read_as_it_was(tmp_path):
    config = {f'key_{number}': value for number, value in enumerate([*VALUES, math.nan, *VALUES])}
    nested = {'model': dict(parts=[dict(value=value) for value in VALUES], more=tuple(VALUES)), 'last': VALUES}
    for written in (config, nested):
        found = read(settings_text(written), tmp_path)
        assert list(found) == list(written)
        assert [key for key in written if not same(found[key], written[key])] == []


def test_the_form_is_that_of_the_packaged_configs(tmp_path):
    """The formatter of this repository has nothing to change, and packaged parts come out as they stand."""
    texts = {f'v{number}': settings_text({f'v{number}': value}) for number, value in enumerate(VALUES)}
    texts['all'] = settings_text({f'v{number}': value for number, value in enumerate(VALUES)})
    packaged = {file.stem: Config.fromfile(file).to_dict() for file in (ROOT / 'configs/_base_/models').glob('*.py')}
    texts |= {name: settings_text(config) for name, config in packaged.items()}
    for name, text in texts.items():
        (tmp_path / f'{name}.py').write_text(text, encoding='utf-8')
    ruff = [sys.executable, '-m', 'ruff', 'format', '--check', '--diff', '--config', ROOT / 'pyproject.toml']
    done = subprocess.run([*ruff, '.'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    text = (ROOT / 'configs/_base_/models/linear.py').read_text()
    code = '\n'.join(line.partition('  #')[0] for line in text.splitlines() if line and not line.startswith('#'))
    assert settings_text(packaged['linear']).strip() == code


def test_a_value_that_two_keys_have_is_written_once(tmp_path):
    loader = dict(
        batch_size=1, dataset=dict(type='CocoDataset', images='data/coco/val2017', pipeline=[dict(type='A')])
    )
    config = dict(val_dataloader=loader, val_cfg=dict(type='V'), test_dataloader=loader, test_cfg=dict(type='V'))
    text = settings_text(config)
    assert text.splitlines()[-3:] == [
        "val_cfg = dict(type='V')",
        'test_dataloader = val_dataloader',
        "test_cfg = dict(type='V')",
    ]
    assert same(read(text, tmp_path), config)
    near = dict(
        a=dict(x=[1, 2], name='a long name of a thing' * 2), b=dict(x=(1, 2), name='a long name of a thing' * 2)
    )
    assert 'b = a' not in settings_text(near) and same(read(settings_text(near), tmp_path), near)


def test_what_the_bases_have_is_left_out_and_what_differs_is_not(tmp_path):
    base = parse_file(ROOT / 'configs/_base_/schedules/coco_3x.py').to_dict()
    hooks = dict(base['default_hooks'], checkpoint=dict(base['default_hooks']['checkpoint'], keep=5))
    schedulers = [dict(base['param_scheduler'][0], end=7), base['param_scheduler'][1]]
    config = {
        '_base_': ['convnext_dense::_base_/schedules/coco_3x.py', 'convnext_dense::_base_/datasets/coco.py'],
        'default_hooks': hooks,
        'randomness': dict(base['randomness']),
        'log_level': 'INFO',
        'resume': 0,
        'train_cfg': dict(max_epochs=36.0),
        'param_scheduler': schedulers,
        'tta_model': dict(_delete_=True, type='convnext_dense.DetectorTTA'),
        'tta_pipeline': None,
    }
    text = settings_text(config)
    assert 'keep=5' in text and 'IterTimerHook' in text
    text = config_text(adapted(config))
    body = [line for line in text.splitlines() if not line.startswith('#')]
    assert body[:4] == [
        '_base_ = [',
        "    'convnext_dense::_base_/schedules/coco_3x.py',",
        "    'convnext_dense::_base_/datasets/coco.py',",
        ']',
    ]
    assert 'default_hooks = dict(checkpoint=dict(keep=5))' in body
    assert 'train_cfg = dict(max_epochs=36.0)' in body and 'resume = 0' in body  # other types
    assert "tta_model = dict(_delete_=True, type='convnext_dense.DetectorTTA')" in body
    assert not any('randomness' in line or 'log_level' in line for line in body)
    (tmp_path / 'c.py').write_text(text)
    cfg = parse_file(tmp_path / 'c.py').to_dict()
    assert cfg['default_hooks'] == hooks and cfg['param_scheduler'] == schedulers
    assert cfg['train_cfg'] == dict(base['train_cfg'], max_epochs=36) and cfg['tta_pipeline'] is None
    assert cfg['tta_model'] == dict(type='convnext_dense.DetectorTTA')


@pytest.mark.parametrize(
    'name',
    [
        *('mmdet:dino/dino-4scale_r50_8xb2-12e_coco', 'mmdet:yolox/yolox_tiny_8xb8-300e_coco'),
        *('mmdet:solov2/solov2_r50_fpn_1x_coco', 'mmseg:segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512'),
        'mmseg:mask2former/mask2former_r50_8xb2-160k_ade20k-512x512',
    ],
)
def test_what_is_left_out_changes_nothing_in_real_configs(name, tmp_path):
    made = adapt(name, 'v2_atto')
    shorter = config_text(made)
    longer = settings_text(made.config)
    assert same(read(longer, tmp_path), read(shorter, tmp_path))
    assert len(shorter.splitlines()) < 320
    assert max(map(len, shorter.splitlines())) <= 119


def test_the_comment_says_all_and_is_nothing_but_comment(tmp_path):
    long = 'the neck takes strides 8 to 64, in_channels 192, 384 and 768 ' * 3 + 'at\nlast'
    text = config_text(
        adapted({'x': 1}, (long, 'frozen norms are gone'), ('lr = 2',)), "convnext-dense train 'a b.py'"
    )
    comment, x = text.rsplit('\n\n', 1) if '\n\n' in text else text[:-1].rsplit('\n', 1)
    assert x.strip() == 'x = 1'
    lines = comment.splitlines()
    assert (
        lines[0].startswith('# mmdet:dino/a.py (mmdet ') and ' on ConvNeXt V2-T, by `convnext-dense adapt`' in lines[0]
    )
    assert lines[1] == "#   convnext-dense train 'a b.py'"
    assert all(line.startswith('#') and len(line) <= 119 for line in lines)
    joined = ' '.join(line.removeprefix('#').strip() for line in lines)
    assert f'Changed: - {" ".join(long.split())} - frozen norms are gone  Left to decide: - lr = 2' in joined
    assert read(text, tmp_path) == {'x': 1}
    assert 'Changed' not in config_text(adapted({'x': 1})) and 'Left' not in config_text(adapted({'x': 1}))


@pytest.mark.parametrize('value', [Path('x'), int, {1}, len])
def test_an_object_is_refused_with_its_keys(value):
    with pytest.raises(UserError, match=r'model\.parts\.1\.a is .*, which cannot be written into a config'):
        settings_text({'model': dict(parts=[0, dict(a=value)])})


def test_numbers_are_short():
    assert (
        settings_text({'x': [1e-4, 2.5e-05, 0.05, 1e8, 0.001, 100.0]})
        == 'x = [1e-4, 2.5e-5, 0.05, 1e8, 0.001, 100.0]\n'
    )


def test_many_short_items_share_lines(tmp_path):
    scales = [(side, 1333) for side in range(480, 801, 32)]
    text = settings_text({'x': dict(type='RandomChoiceResize', scales=scales, resize_type='mmdet.Resize')})
    assert text.splitlines()[2:5] == [
        '    scales=[',
        f'        *({", ".join(map(str, scales[:8]))}),',
        f'        *({", ".join(map(str, scales[8:]))}),',
    ]
    for count in range(1, 60):
        values = {'x': list(range(10**6, 10**6 + count)), 'y': tuple(f'class {n}' for n in range(count))}
        assert same(read(settings_text(values), tmp_path), values)


def test_a_config_without_special_values_can_be_read_as_data(tmp_path):
    (tmp_path / 'c.py').write_text(settings_text({'a': dict(x=1e-4, y={'b.': (1, -2)}), 'c': [dict(d=None)]}))
    assert read_literals(tmp_path / 'c.py') == {'a': dict(x=1e-4, y={'b.': (1, -2)}), 'c': [dict(d=None)]}
