"""How much memory a run takes beyond what was there before it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


def memory_of(
    run: Callable[[], Any], loss: Callable[[], Tensor] | None, module: nn.Module | None, device: torch.device
) -> int | None:
    """Bytes: on a GPU the allocator's peak during a run, on a CPU the activations that a training step keeps.

    Of a CPU's memory there is no peak of one contender among several in a process. Its activation memory is that of
    all tensors that autograd saved for the backward pass when the loss is there, each storage once, without parameters
    and buffers; copies of them in another type count.

    Args:
        run: the whole run, once done before.
        loss: its first half, up to the loss; None where nothing is trained, which has no activation memory.
        module: whose parameters and buffers do not count.
    """
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if loss is None:
        return None
    parameters = {_address(t) for t in chain(module.parameters(), module.buffers())} if module else set()
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if _address(tensor) not in parameters:
            saved[_address(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        graph = loss()  # holds what is saved, so that no two storages have one address
    del graph
    return sum(saved.values())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
