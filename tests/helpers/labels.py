"""Comparing a label map with the logits that it comes from."""

import torch
from torch import Tensor


def check(found: Tensor, logits: Tensor) -> None:
    """Labels (1, H, W) are of the highest of the logits (K, H, W), up to rounding when these are enlarged.

    How torch rounds depends on layout and number of channels.
    """
    assert found.dtype == torch.uint8 and found.shape[1:] == logits.shape[1:]
    best, own = logits.max(0).values, logits.gather(0, found.long())[0]
    assert (best - own).max() < 1e-6 * logits.abs().max()
    assert (own == best).float().mean() > 0.99 and len(found.unique()) > 3
