"""Configs are found from any folder, and wrong names answered with near ones, before torch is imported."""

import subprocess
import sys

import pytest

from convnext_dense.config.find import find_base, find_config, fits, near_configs, packaged_configs
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ROOT

TINY = 'configs/classification/convnext_t.py'


def test_configs_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(TINY).is_file()
    assert find_config('classification/convnext_t.py').is_file()


def test_a_file_of_your_own_comes_before_a_packaged_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / TINY
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_config(TINY).resolve() == own


def test_packaged_configs_are_all_but_the_parts():
    files = {str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts}
    assert packaged_configs().keys() == files
    assert all(file.samefile(ROOT / name) for name, file in packaged_configs().items())


@pytest.mark.parametrize(
    ('name', 'near'),
    [
        ('configs/classification/convnext_tt.py', 'configs/classification/convnext_t.py'),
        ('convnext_t', TINY),
        ('det/convnext_t.py', TINY),
        ('cascade_convnext_t', 'configs/det/cascade_convnext_t_coco.py'),
        ('configs/upernet_convnext_s_ade20k.py', 'configs/seg/upernet_convnext_s_ade20k.py'),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(name, near):
    assert near_configs(name)[0] == near
    with pytest.raises(UserError, match=f'no config at {name}: did you mean {near}'):
        find_config(name)


def test_a_name_that_nothing_is_like_is_answered_with_the_command_that_lists_all():
    with pytest.raises(UserError, match=r'no config at zzz\.py: `convnext-dense list` shows'):
        find_config('zzz.py')


def test_finding_imports_neither_torch_nor_mmengine():
    code = (
        'import sys; from convnext_dense.config import find, length, source, techniques\n'
        f'source.Source(find.find_config({TINY!r})).value("task")\n'
        'print(*{"torch", "mmengine", "numpy"} & sys.modules.keys())'
    )
    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == ''


def test_a_base_is_found_among_the_packaged_configs_and_other_names_are_left(tmp_path):
    for name in ('_base_/runtime.py', 'configs/_base_/runtime.py'):
        assert find_base(f'convnext_dense::{name}', 'c.py').samefile(ROOT / 'configs/_base_/runtime.py')
    assert find_base('../_base_/runtime.py', 'c.py') is find_base('mmdet::_base_/default_runtime.py', 'c.py') is None


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('_base_/runtme.py', 'did you mean convnext_dense::_base_/runtime.py'),
        ('runtime.py', 'did you mean convnext_dense::_base_/runtime.py?'),
        ('_base_/datasets/coco', 'did you mean convnext_dense::_base_/datasets/coco.py?'),
        ('seg/mask_rcnn_convnext_t_coco.py', 'did you mean convnext_dense::det/mask_rcnn_convnext_t_coco.py?'),
        ('zzz', 'give a path in configs/ after convnext_dense::'),
    ],
)
def test_a_base_that_is_not_there_is_answered_with_the_line_and_near_names(name, hint, tmp_path):
    config = tmp_path / 'c.py'
    config.write_text(f"x = 1\n_base_ = ['convnext_dense::{name}']\n")
    with pytest.raises(UserError) as error:
        find_base(f'convnext_dense::{name}', config)
    start = f'config {config} line 2: no packaged config is named convnext_dense::{name}: {hint}'
    assert str(error.value).startswith(start)


def test_a_pattern_is_a_part_or_a_glob_of_one_of_the_texts():
    assert fits('ATSS', ('retinanet', 'mmdet:atss/a.py')) and fits('*a.py', ('mmdet:atss/a.py',))
    assert not fits('atss?', ('atss',)) and not fits('x', ())
