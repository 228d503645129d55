"""What the tests of all ops share: devices, types, the stand-in module and boxes."""

import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convnext_dense import ops

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
DEVICES = ['cpu', pytest.param('cuda', marks=NO_GPU)]
COMPILED = importlib.util.find_spec(ops.EXT).loader is not ops.FINDER
OURS_ONLY = pytest.mark.skipif(COMPILED, reason='a compiled mmcv, which knows fewer dtypes, is installed')
FLOATS = [torch.float32, torch.float64]
REDUCED = [torch.float16, torch.bfloat16]


def stand_in() -> ModuleType:
    """The stand-in for ``mmcv._ext``, also where the environment has a compiled mmcv."""
    module = importlib.util.module_from_spec(ops.FINDER.find_spec(ops.EXT, None))
    ops.FINDER.exec_module(module)
    return module


def some_boxes(n: int, extent: float, dtype: torch.dtype, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, generator=generator, dtype=torch.float64) * extent * 1.2 - extent * 0.1
    sides = torch.rand(n, 2, generator=generator, dtype=torch.float64) * extent * 0.5
    return torch.cat([corners, corners + sides], 1).to(dtype)


class _Largest(TorchDispatchMode):
    """Note the most numbers of any tensor that is computed, views of other ones aside."""

    numbers = 0

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = op(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage().nbytes() // tensor.element_size()
                self.numbers = max(self.numbers, min(storage, tensor.numel()))
        return result


def largest(function: Callable[[], Any]) -> int:
    """Return how many numbers the largest tensor has that a function computes."""
    with _Largest() as mode:
        function()
    return mode.numbers
