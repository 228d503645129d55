"""Archives in the place of a data set, for every task and command."""

import shutil
from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.data.archives import check_unpacked
from tests.helpers.layouts import touch
from tests.helpers.run_tool import ATTO

CONFIGS = [ATTO, 'configs/det/cascade_convnext_t_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py']


@pytest.fixture(params=['zip', 'gztar', 'tar'])
def archive(tmp_path, request) -> tuple[str, str]:
    touch(tmp_path / 'data', 'train/cat/1.jpg')
    path = Path(shutil.make_archive(str(tmp_path / 'my data'), request.param, tmp_path / 'data'))
    renamed = path.rename(path.with_name('my data'))  # a name says nothing
    return str(renamed), request.param.removeprefix('gz')


@pytest.mark.parametrize('config', CONFIGS)
@pytest.mark.parametrize('verb', ['train', 'check_data'])
def test_an_archive_is_named_for_every_task(config, verb, archive, error):
    start = ['--pretrained', 'none'] if verb == 'train' else []
    assert run_verb(verb, [config, '--data', archive[0], *start]) == 2
    assert f'{archive[0]} is a {archive[1]} file: unpack it first, then give the folder' in error()


@pytest.mark.parametrize('flags', [[], ['--data-format', 'masks']])
def test_an_archive_is_not_converted(flags, archive, tmp_path, error):
    assert run_verb('convert_data', [archive[0], str(tmp_path / 'new'), '--to', 'yolo', *flags]) == 2
    assert f'{archive[0]} is a {archive[1]} file: unpack it first' in error()


def test_other_paths_pass(tmp_path):
    (tmp_path / 'a.zip').mkdir()
    (tmp_path / 'a.json').write_text('{}')
    for path in (tmp_path / 'a.zip', tmp_path / 'a.json', f'{tmp_path}/a.json:images', 'absent.zip'):
        check_unpacked(path)
