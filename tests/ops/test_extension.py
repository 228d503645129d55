"""The stand-in for mmcv._ext: ops that it lacks name themselves, and other modules of the name come first."""

import importlib
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from convnext_dense import ops


def test_any_other_op_names_itself(ext: ModuleType) -> None:
    for name in ['softnms', 'deform_conv_forward', 'an_op_of_tomorrow']:
        assert hasattr(ext, name)  # mmcv asserts this when it is imported
        with pytest.raises(NotImplementedError, match=f'op {name} is not available.* build mmcv'):
            getattr(ext, name)(torch.zeros(1), iou_threshold=0.5)
    assert not hasattr(ext, '__path__') and not hasattr(ext, '_private')
    assert 'torchvision' in ext.get_compiler_version() and 'torchvision' in ext.get_compiling_cuda_version()


def test_a_torchvision_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'torchvision.ops', None)
    with pytest.raises(RuntimeError, match='install the torchvision that belongs to torch'):
        ops.FINDER.exec_module(ModuleType(ops.EXT))


# ------------------------------------------------- which module is mmcv._ext


@pytest.fixture
def no_ext_yet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """mmcv as if nobody had imported its ops."""
    import mmcv.ops  # now, so that it is not first imported on top of what a test puts in

    monkeypatch.delitem(sys.modules, ops.EXT)
    monkeypatch.delattr(mmcv, '_ext')
    return mmcv


def test_install_answers_last_once_and_for_one_name_only() -> None:
    ops.install()
    ops.install()
    assert sys.meta_path.count(ops.FINDER) == 1
    for name in ['mmcv', 'mmcv.ops', '_ext', 'mmcv._ext.x', 'torchvision']:
        assert ops.FINDER.find_spec(name, None) is None
    assert isinstance(ops.FINDER.find_spec('mmcv._ext', None), ModuleSpec)


def test_a_compiled_ext_on_disk_is_left_alone(
    no_ext_yet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / '_ext.py').write_text('compiled = True\n', encoding='utf-8')
    monkeypatch.setattr(no_ext_yet, '__path__', [str(tmp_path), *no_ext_yet.__path__])
    importlib.invalidate_caches()
    ops.install()
    found = importlib.import_module(ops.EXT)
    assert found.compiled and found.__file__ == str(tmp_path / '_ext.py') and not hasattr(found, 'nms')


def test_an_ext_already_imported_is_left_alone(no_ext_yet: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ModuleType(ops.EXT)
    monkeypatch.setitem(sys.modules, ops.EXT, mine)
    ops.install()
    assert importlib.import_module(ops.EXT) is mine and vars(mine).get('nms') is None
