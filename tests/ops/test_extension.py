"""The stand-in for mmcv._ext: ops that it lacks name themselves, and other modules of the name come first."""

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import mmcv.ops
import mmdet
import mmseg
import pytest
import torch
from mmengine.registry import MODELS

from convnext_dense import ops
from convnext_dense.ops.extension import FAMILIES, OPS


def test_any_other_op_names_itself(ext: ModuleType) -> None:
    for name in ['nms_rotated', 'bezier_align_forward', 'an_op_of_tomorrow']:
        assert hasattr(ext, name)  # mmcv asserts this when it is imported
        with pytest.raises(NotImplementedError, match=f'op {name} is not available.* build mmcv') as caught:
            getattr(ext, name)(torch.zeros(1), iou_threshold=0.5)
        assert all(family in str(caught.value) for family in FAMILIES) and '\n' not in str(caught.value)
    assert not hasattr(ext, '__path__') and not hasattr(ext, '_private')
    assert 'torchvision' in ext.get_compiler_version() and 'torchvision' in ext.get_compiling_cuda_version()


def test_every_op_takes_the_arguments_that_mmcv_gives(ext: ModuleType) -> None:
    """Whatever mmcv's functions pass by name is a parameter, and nothing else is required."""
    seen = set()
    for file in (Path(mmcv.ops.__file__).parent).glob('*.py'):
        for call in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            name = call.func.attr if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
            if name not in OPS or ast.unparse(call.func.value) != 'ext_module':
                continue
            if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
                continue  # of another build of torch
            inspect.signature(OPS[name]).bind(*call.args, **{keyword.arg: None for keyword in call.keywords})
            seen.add(name)
    # nms_match is called with lists, which test_nms.py goes through
    assert OPS.keys() - seen == {'nms_match'}


def test_all_ops_that_mmdet_and_mmseg_reach_are_served() -> None:
    """By name, as their sources import them and their configs build them, down to what mmcv's modules call."""
    names: set[str] = set()
    for library in (mmdet, mmseg):
        for file in Path(library.__file__).parent.rglob('*.py'):
            text = file.read_text(encoding='utf-8')
            for line in re.findall(r'^ *from mmcv(?:\.ops\S*)? import (.+)$', text, re.MULTILINE):
                names |= set(re.findall(r'\w+', line))
            names |= set(re.findall(r"""type=['"](?:mmcv\.)?(\w+)['"]""", text))
    registered = {name: part for name, part in MODELS.module_dict.items() if part.__module__.startswith('mmcv.ops')}
    found = {name: registered.get(name, getattr(mmcv.ops, name, None)) for name in names}
    parts = [getattr(part, '__self__', part) for part in found.values() if part is not None]  # of Function.apply
    modules = {part.__module__ for part in parts if hasattr(part, '__module__')}
    needed: set[str] = set()
    for name in modules:
        text = Path(sys.modules[name].__file__).read_text(encoding='utf-8')
        used = [text, *(mmcv_source(other) for other in re.findall(r'from mmcv\.ops\.(\w+) import', text))]
        needed |= set(re.findall(r'ext_module\.(\w+)\(', ' '.join(used)))
    # beside the nms of boxes, in the same file, and called by no config
    assert not names & {'nms_rotated', 'nms_quadri'}
    assert needed - {'nms_rotated', 'nms_quadri'} <= OPS.keys()
    assert OPS.keys() - needed <= {'bbox_overlaps'}
    assert {'deform_conv_forward', 'carafe_forward', 'softnms', 'line_nms_forward', 'psamask_forward'} <= needed


def mmcv_source(name: str) -> str:
    return (Path(mmcv.ops.__file__).parent / f'{name}.py').read_text(encoding='utf-8')


def test_importing_the_ops_imports_no_other_library() -> None:
    """In an interpreter of its own; test_stack.py goes on with mmcv."""
    code = 'import sys, convnext_dense.ops; print({"torch", "mmengine", "mmcv", "numpy"} & sys.modules.keys())'
    env = {**os.environ, 'PYTHONPATH': str(Path(ops.__file__).parents[2])}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env, timeout=100)
    assert done.stdout == 'set()\n', done.stderr


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
