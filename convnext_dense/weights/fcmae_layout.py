"""The official files of V2's masked pre-training, whose encoder is a sparse network, and the decoder beside it.

A kernel of a depthwise convolution is (k * k, C) there and that of a downsample layer (k * k, in, out), with the
positions column by column. Norms of positions and pointwise layers are one level deeper, under ``ln`` and ``linear``;
GRN's parameters are (1, 4C), and biases of sparse convolutions (1, C). The stem and the decoder are ordinary layers.
Importing this module does not import torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MASK_TOKEN = 'mask_token'
_DECODER = re.compile(rf'{MASK_TOKEN}|(proj|pred)\.(weight|bias)|decoder\.\d+\..+')
_SPARSE = re.compile(r'(stages\.\d+\.\d+\.dwconv|downsample_layers\.[123]\.1)\.(weight|bias)')
_NORM = re.compile(r'(downsample_layers\.[123]\.0)\.(weight|bias)')


def decoder_names(state_dict: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the decoder's tensors, which are the official ones, in weights of :class:`FCMAE`.

    They are none without a mask token, since a detector may have a ``decoder`` too.
    """
    return {name for name in state_dict if _DECODER.fullmatch(name)} if MASK_TOKEN in state_dict else set()


def from_fcmae(state_dict: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], list[str]]:
    """Convert an official file to our names: the encoder is the backbone, the decoder keeps its names.

    Args:
        state_dict: weights with ``encoder.`` and the decoder's names behind ``prefix``.
        prefix: beginning of all names.

    Returns:
        The weights, and the names of all others.
    """
    state, left_over = {}, []
    inside = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    decoder = decoder_names(inside)
    for full, tensor in state_dict.items():
        name = full.removeprefix(prefix)
        if not full.startswith(prefix) or not (name.startswith('encoder.') or name in decoder):
            left_over.append(full)
        elif name in decoder:
            state[name] = tensor
        else:
            own, tensor = _dense(name.removeprefix('encoder.'), tensor)
            state[f'backbone.{own}'] = tensor
    return state, left_over


def _dense(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    if name.endswith('.kernel'):
        side = math.isqrt(tensor.shape[0])
        if tensor.ndim == 2:
            tensor = tensor[:, None]  # (k * k, 1, C)
        tensor = tensor.permute(2, 1, 0).unflatten(2, (side, side)).transpose(2, 3).contiguous()
        name = name.removesuffix('kernel') + 'weight'
    name = name.replace('.ln.', '.').replace('.linear.', '.')
    if name.endswith('.bias'):
        return name, tensor.flatten()
    return name, tensor.reshape(1, 1, 1, -1) if '.grn.' in name else tensor


def to_sparse(name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Convert a tensor of the encoder with its name to those of the sparse network.

    Args:
        name: the name by the table of names, which does not know of sparse convolutions and of norms between stages.
        tensor: in our shape.
    """
    found = _SPARSE.search(name)
    if found and found[2] == 'weight':  # (out, in, k, k) -> (k * k, in, out), or (k * k, C)
        tensor = tensor.transpose(2, 3).flatten(2).permute(2, 1, 0).contiguous()
        if '.dwconv.' in name:
            tensor = tensor[:, 0]
        name = name.removesuffix('weight') + 'kernel'
    elif found:
        tensor = tensor[None]
    return _NORM.sub(r'\1.ln.\2', name), tensor
