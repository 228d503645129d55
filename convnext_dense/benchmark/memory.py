"""Measure the memory that a run needs in addition to the memory in use before it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


def memory_of(
    run: Callable[[], Any], loss: Callable[[], Tensor] | None, module: nn.Module | None, device: torch.device
) -> int | None:
    """Return bytes: on a GPU the allocator's peak during a run, on a CPU the activations of a training step.

    On a CPU, the peak of one contender among several in a process can't be measured. Activation memory is the size of
    all tensors that autograd has saved for the backward pass when the loss is computed: each storage once, without
    parameters and buffers, but including copies of them in another dtype.

    Args:
        run: the whole run, called once before.
        loss: the first half of the run, up to the loss; None without training, which needs no activation memory.
        module: the module whose parameters and buffers do not count.
        device: the device.

    Returns:
        The bytes, or None for inference on a CPU.
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
        graph = loss()  # keeps the saved tensors alive, so that storage addresses stay unique
    del graph
    return sum(saved.values())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
