"""Values that a model remembers from step to step outside its ``state_dict``, for exact resuming.

Some heads of mmdet change plain attributes while they train: Dynamic R-CNN its IoU thresholds and the beta of its loss
by histories of both, DDOD its counts of positive samples by level; DropBlock counts its steps. Here any attribute of a
module, or of its assigners, samplers and other helpers, is found that has changed since the model was built, so those
of anyone's own parts are found, too. A class names attributes that are no state of the run in ``of_this_process``.
"""

from __future__ import annotations

import copy
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from torch import Tensor, nn

PLAIN = (bool, int, float, str, type(None))
NO_HELPERS = {*sys.stdlib_module_names, 'torch', 'mmengine', 'numpy'}
"""Packages whose objects are no helpers of a model, such as loggers and devices."""
OF_MODULES = {*vars(nn.Module()), '_is_init', '_params_init_info'}
"""Attributes that torch and mmengine give every module."""

Values = dict[str, Any]
"""Plain values and tensors by the path of their attribute, such as ``roi_head.bbox_assigner.pos_iou_thr``."""


class RememberedValues:
    """Finder of the values that a model remembers.

    Args:
        model: the model before its first step.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.built = _values(model)

    def changed(self) -> Values:
        """Return what has changed since the first step.

        Attributes that are new count unless they hold tensors, which are those of the last batch.
        """
        return {
            path: value
            for path, value in _values(self.model).items()
            if (not _equal(value, self.built[path]) if path in self.built else not _has_tensors(value))
        }

    def gather(self) -> list[Values]:
        """Return what has changed in each process; all processes must call it."""
        gathered: list[Values] = all_gather_object(self.changed())
        return gathered

    def restore(self, saved: Sequence[Values]) -> str | None:
        """Set what :meth:`gather` has returned.

        Returns:
            A line if another number of processes had other values each, otherwise None.
        """
        own = get_world_size()
        self._set(saved[get_rank() % len(saved)])
        if own == len(saved) or all(_equal(one, saved[0]) for one in saved):
            return None
        return (
            f'each of {len(saved)} processes remembered its own {", ".join(sorted(saved[0])[:3])}: '
            f'{own} now go on with those of the first ones'
        )

    def all(self) -> Values:
        """Return all values, changed or not, for :meth:`put_back`."""
        return _values(self.model)

    def put_back(self, before: Values) -> None:
        """Set what has changed since :meth:`all` has returned these values."""
        now = _values(self.model)
        self._set({path: value for path, value in before.items() if path in now and not _equal(value, now[path])})

    def _set(self, values: Values) -> None:
        owners = dict(_owners(self.model))
        for path, value in values.items():
            start, _, name = path.rpartition('.')
            if (owner := owners.get(start)) is not None:
                setattr(owner, name, _as_before(value, getattr(owner, name, None)))


def _owners(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the modules of a model and their helpers, each once, with their paths."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        yield path, module
        yield from _helpers(path, module, seen)


def _helpers(path: str, owner: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for name, value in _attributes(owner).items():
        listed = enumerate(value) if isinstance(value, list | tuple) else ()
        for key, helper in ((name, value), *((f'{name}.{index}', one) for index, one in listed)):
            if _is_helper(helper) and id(helper) not in seen:
                seen.add(id(helper))
                inner = f'{path}.{key}'.lstrip('.')
                yield inner, helper
                yield from _helpers(inner, helper, seen)


def _is_helper(value: Any) -> bool:
    known = isinstance(value, nn.Module | type | Mapping | list | tuple) or not hasattr(value, '__dict__')
    return not known and type(value).__module__.partition('.')[0] not in NO_HELPERS


def _attributes(owner: Any) -> Values:
    """Return the attributes of an object, and a module's buffers that are not in its ``state_dict``."""
    left_out, found = {*getattr(owner, 'of_this_process', ())}, vars(owner)
    if isinstance(owner, nn.Module):
        left_out |= OF_MODULES
        found = {**found, **{name: owner._buffers[name] for name in owner._non_persistent_buffers_set}}
    return {name: value for name, value in found.items() if name not in left_out}


def _values(model: nn.Module) -> Values:
    return {
        f'{path}.{name}'.lstrip('.'): _encoded(value)
        for path, owner in _owners(model)
        for name, value in _attributes(owner).items()
        if _can_be_kept(value)
    }


def _can_be_kept(value: Any) -> bool:
    """Tell whether a value consists of plain ones and of tensors outside of a graph."""
    if isinstance(value, Mapping):
        return all(isinstance(key, PLAIN) and _can_be_kept(one) for key, one in value.items())
    if isinstance(value, list | tuple | deque):
        return all(map(_can_be_kept, value))
    if isinstance(value, Tensor):
        return not value.requires_grad
    if isinstance(value, np.ndarray):
        return value.dtype.kind in 'biuf'
    return isinstance(value, (*PLAIN, np.number, np.bool_))


def _encoded(value: Any) -> Any:
    """Return a copy as what ``torch.load(weights_only=True)`` reads."""
    if isinstance(value, Mapping):
        return {key: _encoded(one) for key, one in value.items()}
    if isinstance(value, list | tuple | deque):
        return (tuple if isinstance(value, tuple) else list)(map(_encoded, value))
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.item() if isinstance(value, np.generic) else value


def _as_before(value: Any, current: Any) -> Any:
    """Return a copy of an encoded value as the kind of the attribute that it replaces."""
    if isinstance(current, np.ndarray) and isinstance(value, Tensor):
        return value.numpy().copy()
    if isinstance(current, Tensor) and isinstance(value, Tensor):
        return value.to(current.device, copy=True)
    if isinstance(current, deque) and isinstance(value, list):
        return deque(value, current.maxlen)
    if isinstance(current, dict) and isinstance(value, dict):
        same_kind = copy.copy(current)
        same_kind.clear()
        same_kind.update(copy.deepcopy(value))
        return same_kind
    return copy.deepcopy(value)


def _equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def _has_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tensors, value.values()))
    return any(map(_has_tensors, value)) if isinstance(value, list | tuple) else isinstance(value, Tensor)
