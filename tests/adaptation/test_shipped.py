"""Configs of the installed mmdet and mmseg, found by name."""

import importlib.metadata
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from convnext_dense.adaptation import shipped
from convnext_dense.adaptation.shipped import find_shipped, shipped_configs, version_of
from convnext_dense.errors import UserError

DINO = 'mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py'
DEEPLAB = 'mmseg:deeplabv3plus/deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512.py'


@pytest.fixture
def installed(monkeypatch):
    """Has the libraries in other folders, or, for None, not at all."""

    def install(**folders: Path | None) -> None:
        def find(name: str) -> ModuleSpec | None:
            if folders[name] is None:
                return None
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(folders[name])]
            return spec

        monkeypatch.setattr(shipped, 'find_spec', find)

    def forget() -> None:
        shipped.configs_folder.cache_clear()
        shipped_configs.cache_clear()

    forget()
    yield install
    forget()


def library(root: Path, configs: str, *names: str) -> Path:
    """A package ``root/mmdet`` with config files."""
    package = root / 'mmdet'
    package.mkdir(parents=True)
    for name in names:
        file = root / configs / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("model = dict(type='DINO')\n")
    (root / configs).parent.joinpath('model-index.yml').touch()
    return package


@pytest.mark.parametrize(
    ('source', 'name'),
    [
        (DINO, DINO),
        (DINO.removesuffix('.py'), DINO),
        (DINO.replace(':', '::'), DINO),
        (DINO.removeprefix('mmdet:'), DINO),
        ('configs/' + DINO.removeprefix('mmdet:'), DINO),
        ('dino-4scale_r50_8xb2-12e_coco', DINO),
        ('mmdet:dino-4scale_r50_8xb2-12e_coco.py', DINO),
        (DEEPLAB, DEEPLAB),
        ('deeplabv3plus_r50-d8_4xb4-80k_ade20k-512x512', DEEPLAB),
    ],
)
def test_a_config_is_found_by_every_form_of_its_name(source, name):
    found = find_shipped(source)
    assert (found.name, found.package) == (name, name.partition(':')[0])
    assert found.file.is_file() and found.file.parts[-2:] == tuple(name.partition(':')[2].split('/'))


def test_a_file_comes_first_and_tells_its_library_by_its_place(tmp_path, monkeypatch):
    own = tmp_path / 'dino' / 'dino-4scale_r50_8xb2-12e_coco.py'
    own.parent.mkdir()
    own.touch()
    monkeypatch.chdir(tmp_path)
    assert find_shipped('dino/dino-4scale_r50_8xb2-12e_coco.py') == (
        'dino/dino-4scale_r50_8xb2-12e_coco.py',
        None,
        own.relative_to(tmp_path),
    )
    file = str(find_shipped(DEEPLAB).file)
    assert find_shipped(file) == (file, 'mmseg', Path(file))


@pytest.mark.parametrize(
    ('source', 'said'),
    [
        ('mmdet:dino', f'mmdet:dino is a family of configs, such as {DINO}: give one of them; '
         '`convnext-dense adapt --list mmdet:dino` shows all'),
        ('deeplabv3plus', 'deeplabv3plus is a family of '),
        ('mmdet:dinoo', 'no config mmdet:dinoo: mmdet ships none of this name: did you mean mmdet:dino?'),
        ('mmdet:dinoo/dino-4scale_r50_8xb2-12e_coco', f"mmdet ships no family 'dinoo': did you mean {DINO} or "),
        ('mmdet:dino/dino_4scale_r50_8xb2_12e_coco', f'ships none of this name: did you mean {DINO} or '),
        ('mmseg:dino/x', "mmseg ships no family 'dino': "),
        ('mmdte:dino', "mmdte:dino: configs of 'mmdte' are not known: did you mean mmdet:dino?"),
        ('mmpose:hrnet', f"configs of 'mmpose' are not known: give mmdet or mmseg, as in {DINO}"),
        ('zzz.py', 'no config zzz.py: there is no such file, and mmdet and mmseg ship none of this name: '
         '`convnext-dense adapt --list` shows all'),
        ('mmdet:', 'no config mmdet:: mmdet ships none of this name: `convnext-dense adapt --list` shows all'),
    ],
)  # fmt: skip
def test_a_name_that_no_config_has_is_answered_with_near_ones(source, said):
    with pytest.raises(UserError) as error:
        find_shipped(source)
    assert said in str(error.value) and '\n' not in str(error.value)


def test_a_name_that_two_configs_have_is_answered_with_both(tmp_path, installed):
    installed(mmdet=library(tmp_path, 'mmdet/.mim/configs', 'a/same.py', 'b/same.py'), mmseg=None)
    with pytest.raises(UserError, match=r'same may be mmdet:a/same\.py or mmdet:b/same\.py: give one of these'):
        find_shipped('same')
    assert find_shipped('mmdet:b/same').name == 'mmdet:b/same.py'


def test_the_configs_of_a_wheel_and_of_a_clone_are_found_without_the_parts(tmp_path, installed):
    for folder, configs in (('wheel', 'mmdet/.mim/configs'), ('clone', 'configs')):
        installed(mmdet=library(tmp_path / folder, configs, '_base_/x.py', 'a/_base_/y.py', 'a/z.py', 'a/b/c.py'))
        assert list(shipped_configs('mmdet')) == ['a/b/c.py', 'a/z.py']
        shipped.configs_folder.cache_clear()
        shipped_configs.cache_clear()


def test_a_library_that_is_not_there_or_has_no_configs_is_said(tmp_path, installed):
    package = tmp_path / 'mmdet'
    package.mkdir()
    (tmp_path / 'configs').mkdir()  # of something else
    installed(mmdet=package, mmseg=None)
    with pytest.raises(UserError, match='mmseg is not installed, which has the configs: pip install onedl-mmsegm'):
        find_shipped('mmseg:x')
    with pytest.raises(UserError) as error:
        find_shipped('mmdet:dino')
    assert str(error.value).startswith(
        f'mmdet in {package} was installed without its configs (mmdet/.mim/configs): reinstall onedl-mmdetection, or '
    )
    with pytest.raises(UserError, match='is not installed'):
        find_shipped('dino')


def test_the_version_is_that_of_the_installed_package():
    assert version_of('mmdet') == importlib.metadata.version('onedl-mmdetection')
    assert version_of('not_installed') == 'of an unknown version'
