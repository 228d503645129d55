"""Ops for an mmseg that goes without them; tests/ops/test_stack.py has the real one."""

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType

import mmcv.ops
import mmseg
import pytest

from convnext_dense.compat.mmseg_placeholders import PLACES, missing_ops, replace_missing_ops


def test_mmseg_still_sets_these_names_to_none_and_no_others():
    names = set()
    for file in (Path(inspect.getfile(mmseg)).parent).rglob('*.py'):
        text = file.read_text(encoding='utf-8')
        if '.mim' in file.parts or 'mmcv.ops' not in text:
            continue
        for node in ast.parse(text).body:
            for handler in node.handlers if isinstance(node, ast.Try) else ():
                names |= {ast.unparse(one.targets[0]) for one in handler.body if isinstance(one, ast.Assign)}
    assert names == PLACES.keys(), 'remove mmseg_placeholders.py, or name them all'


def test_missing_ops_are_put_in(monkeypatch: pytest.MonkeyPatch):
    module = ModuleType('mmseg.a_module')
    vars(module).update(PSAMask=None, _sigmoid_focal_loss=None, good=None)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert [name for found, name in missing_ops() if found is module] == ['PSAMask', '_sigmoid_focal_loss']
    replace_missing_ops()
    assert module.PSAMask is mmcv.ops.PSAMask and module._sigmoid_focal_loss is mmcv.ops.sigmoid_focal_loss
    assert module.good is None and missing_ops() == []
