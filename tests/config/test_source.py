"""Where a config sets a key, read from its text."""

from textwrap import dedent

import pytest
from mmengine.config import Config

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.source import Source, read_literals
from tests.helpers.run_tool import ROOT

BASE = """\
    model = dict(
        a=1,
        b=dict(c=2, d=3),
        stages=[
            dict(iou=iou)
            for iou in (0.5, 0.6)
        ],
    )
    loader = dict(
        pipeline=[
            dict(type='Load'),
            dict(type='Crop', size=(1, 2)),
        ]
    )
    same = loader
    hooks = {'log': dict(every=5)}
    hooks['ema'] = dict(
        momentum=0.1,
    )
    """
DERIVED = """\
    _base_ = ['./base.py', './other.py']
    model = dict(b=dict(d=4))
    hooks = dict(log=dict(_delete_=True, type='L'))
    opaque = dict(sorted([('x', 1)]))
    """


@pytest.fixture
def source(tmp_path):
    for name, text in (('base', BASE), ('other', 'alone = 7\n'), ('derived', DERIVED)):
        (tmp_path / f'{name}.py').write_text(dedent(text))
    return Source(tmp_path / 'derived.py')


@pytest.mark.parametrize(
    ('keys', 'place'),
    [
        (('model', 'b', 'd'), 'derived.py:2'),
        (('model', 'b', 'c'), 'base.py:3'),
        (('model', 'a'), 'base.py:2'),
        (('model', 'stages', 1, 'iou'), 'base.py:5'),
        (('loader', 'pipeline', 1, 'size'), 'base.py:12'),
        (('same', 'pipeline', 0, 'type'), 'base.py:11'),
        (('hooks', 'ema', 'momentum'), 'base.py:18'),
        (('hooks', 'log', 'type'), 'derived.py:3'),
        (('opaque', 'x'), 'derived.py:4'),
        (('alone',), 'other.py:1'),
        (('absent',), None),
        (('model', 'absent'), None),
    ],
)
def test_the_last_file_that_sets_a_key_is_found_with_its_line(source, keys, place):
    found = source.find(keys)
    assert (found and f'{found.file.name}:{found.line}') == place


def test_values_that_are_literals_are_read(source):
    assert source.value('model', 'b', 'd') == 4
    assert source.value('loader', 'pipeline', 1, 'size') == (1, 2)
    assert source.value('model', 'stages') is None
    assert source.value('absent') is None


def test_the_config_that_a_run_saved_is_read_whole_without_running_it(tmp_path):
    content = dict(a=1.5, b=dict(c=None, d=[dict(e=(1, 2)), 'x']), f={'g-h': -1, 'i': {}}, j=[], k=True)
    Config(content).dump(tmp_path / 'saved.py')
    assert read_literals(tmp_path / 'saved.py') == content


@pytest.mark.parametrize(
    'text', ['a = print(1)', 'a = dict(b=c)', 'a = dict(**b)', 'import os', "_base_ = 'b.py'", 'a = = 1', 'a["b"] = 1']
)
def test_a_config_of_more_than_literals_is_not_read(text, tmp_path):
    (tmp_path / 'c.py').write_text(f'z = 1\n{text}\n')
    assert read_literals(tmp_path / 'c.py') is None
    assert read_literals(tmp_path / 'absent.py') is None


def test_files_are_read_once(source, tmp_path):
    known = {}
    Source(tmp_path / 'derived.py', known)
    again = Source(tmp_path / 'derived.py', known)
    assert {path.name for path in known} == {'derived.py', 'base.py', 'other.py'}
    assert [path.name for path in again.files()] == ['derived.py', 'base.py', 'other.py']
    assert again.bases[0] is known[tmp_path / 'base.py']


def test_bases_that_are_not_there_or_not_ours_are_passed_over(tmp_path):
    (tmp_path / 'c.py').write_text("_base_ = ['mmdet::_base_/default_runtime.py', 'data.json']\nx = 1\n")
    assert Source(tmp_path / 'c.py').bases == []
    (tmp_path / 'c.py').write_text("_base_ = str('x') + '.py'\nx = 1\n")
    assert Source(tmp_path / 'c.py').value('x') == 1


def test_a_packaged_base_is_read_from_anywhere(tmp_path):
    (tmp_path / 'c.py').write_text(
        "_base_ = ['convnext_dense::_base_/schedules/coco_3x.py', 'convnext_dense::no.py']\n"
    )
    source = Source(tmp_path / 'c.py')
    assert [file.name for file in source.files()] == ['c.py', 'coco_3x.py', 'runtime.py']
    assert source.find(('train_cfg', 'max_epochs')).file.samefile(ROOT / 'configs/_base_/schedules/coco_3x.py')
    assert source.is_old_style


def test_the_text_agrees_with_what_mmengine_reads():
    """Wherever the text has a literal for a value of a packaged config, it is the value."""
    known, compared = {}, 0
    for file in packaged_configs().values():
        source = Source(file.resolve(), known)
        for keys, value in values(Config.fromfile(file, import_custom_modules=False).to_dict()):
            found = source.find(keys)
            assert found is not None, (file, keys)
            literal = found.value()
            if literal is not None and not isinstance(literal, dict | list):
                assert literal == value, (file, keys)
                compared += 1
    assert compared > 5000


def values(part, keys=()):
    if isinstance(part, dict | list) and part:
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from values(value, (*keys, key))
    else:
        yield keys, part
