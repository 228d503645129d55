"""Weights that a config starts from and that its user has to train first, and published ones in their place."""

from __future__ import annotations

import re

from ..config.find import packaged_path
from .packaged import LETTERS, TIMM_WEIGHTS

CHECKPOINT = re.compile(r'work_dirs/(\w+)/epoch_\d+\.pth')


def find_own_run(pretrained: str | None) -> str | None:
    """Return the packaged config of the run whose checkpoint weights are; None for other weights.

    Args:
        pretrained: the weights that a config starts from, such as ``work_dirs/convnext_a/epoch_300.pth``.
    """
    found = CHECKPOINT.fullmatch(pretrained or '')
    name = f'classification/{found[1]}.py' if found else ''
    return f'configs/{name}' if name and packaged_path(name).is_file() else None


def timm_weights_for(pretrained: str | None) -> str | None:
    """Return timm's weights for the architecture of an own run; None for other weights, or if timm has none."""
    run = find_own_run(pretrained)
    of_runs = {f'configs/classification/convnext_{LETTERS[arch]}.py': name for arch, name in TIMM_WEIGHTS.items()}
    return of_runs.get(run or '')
