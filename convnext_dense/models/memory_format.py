"""Memory format of a backbone's outputs."""

from __future__ import annotations

import torch

# With AVX2, oneDNN takes two to three times as long for weight gradients of 3x3 convolutions on large feature maps in
# channels_last; with AVX-512 it does not.
CPU_TRAINS_FASTER_IN_NCHW = torch.backends.cpu.get_cpu_capability() == 'AVX2'


def format_for_heads(device: torch.device, training: bool) -> torch.memory_format:
    """Return the memory format in which necks and heads compute fastest.

    It is ``channels_last``, except for training on a CPU with AVX2 and without AVX-512, where it is NCHW.
    """
    in_nchw = training and device.type == 'cpu' and CPU_TRAINS_FASTER_IN_NCHW
    return torch.contiguous_format if in_nchw else torch.channels_last
