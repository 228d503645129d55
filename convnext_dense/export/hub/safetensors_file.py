"""Writing weights as a safetensors file, with errors of the disk as such."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor


def write_safetensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write weights as a safetensors file.

    Args:
        state: name to tensor, of any layout and device; tensors may share memory.
        path: the file.

    Raises:
        OSError: if it can't be written.
    """
    own = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}
    path.write_bytes(save(own, {'format': 'pt'}))
