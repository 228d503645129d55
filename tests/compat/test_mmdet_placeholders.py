"""Ops for an mmdet that has given up on them; tests/ops/test_stack.py has the real one."""

import inspect
import sys
from types import ModuleType

import mmcv.ops
import pytest
from mmcv.ops import merge_cells
from mmdet.models.layers import bbox_nms

from convnext_dense.compat.mmdet_placeholders import MESSAGE, placeholders, replace_placeholders

PLACEHOLDERS = """
def batched_nms(*args, **kwargs):
    raise ImportError('batched_nms requires mmcv to be compiled with ops')
class RoIPool:
    def __init__(self, *args):
        raise ImportError('RoIPool requires mmcv to be compiled with ops')
def no_op(*args):
    raise ImportError('AnotherCell requires mmcv to be compiled with ops')
class SumCell:
    def __init__(self, *args):
        raise ImportError('SumCell requires mmcv to be compiled with ops')
def good():
    return 1
"""


@pytest.fixture
def module(monkeypatch) -> ModuleType:
    """A module of mmdet's that was imported without the ops."""
    module = ModuleType('mmdet.a_module')
    exec(PLACEHOLDERS, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_mmdet_still_has_placeholders():
    source = inspect.getsource(bbox_nms)
    assert f'batched_nms{MESSAGE}' in source and 'except' in source, 'remove mmdet_placeholders.py'


def test_placeholders_become_ops(module):
    others = [found for found in placeholders() if found[0] is not module]
    names = {name: op for found, name, op in placeholders() if found is module}
    assert names == {'batched_nms': 'batched_nms', 'RoIPool': 'RoIPool', 'no_op': 'AnotherCell', 'SumCell': 'SumCell'}
    kept, good = module.no_op, module.good
    replace_placeholders()
    assert module.batched_nms is mmcv.ops.batched_nms and module.RoIPool is mmcv.ops.RoIPool
    assert module.SumCell is merge_cells.SumCell
    assert module.good is good and module.no_op is kept  # mmcv.ops has none of this name
    assert [found for found in placeholders() if found[0] is not module] == others
