"""Running a model on the meta device although it asks for the sizes of its feature maps as values.

Deformable attention keeps the heights and widths of its levels in tensors of integers, and reads them. On the meta
device tensors have no values, so such models could only be counted by computing everything, with weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

INTEGERS = (torch.int32, torch.int64)
CPU, META = torch.device('cpu'), torch.device('meta')


class SizesAlone(TorchDispatchMode):
    """Mode in which integers made on the meta device have values on the CPU, as long as nothing else enters them.

    Everything else stays on the meta device, where what depends on its values fails.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping | None = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        on_meta = [one for one in tensors if one.device == META]
        if on_meta and len(on_meta) < len(tensors):
            args, kwargs = tree_map(_to_meta, (args, kwargs))
        made = func(*args, **kwargs)
        if not on_meta and isinstance(made, Tensor) and made.device == META and made.dtype in INTEGERS:
            return func(*args, **{**kwargs, 'device': CPU})
        return made


def _to_meta(value: Any) -> Any:
    return value.to(META) if isinstance(value, Tensor) and value.device == CPU and value.ndim else value
