"""Names of metrics in logs and results: ``<weights>/<metric>``, such as ``ema/top1``, and which way is better."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

Rule = Literal['greater', 'less']

GREATER = (
    *('acc', 'top', 'ar@', 'auc', 'precision', 'map', 'mdice', 'miou'),  # mmengine's
    *('_ap', 'iou', 'dice', 'fscore', 'f1', 'recall', '_ar', 'score', 'pq', 'psnr', 'ssim'),
)
"""Parts of names of metrics of which higher values are better."""
LESS = ('loss', 'error', 'mae', 'mse')
"""Parts of names of metrics of which lower values are better."""


def split_metric_names(metrics: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split metric names into the unique kinds of weights and the unique metrics, in order.

    ``['raw/top1', 'raw/top5', 'ema/top1']`` gives ``(['raw', 'ema'], ['top1', 'top5'])``.
    """
    pairs = [name.split('/', 1) for name in metrics]
    return list(dict.fromkeys(kind for kind, _ in pairs)), list(dict.fromkeys(metric for _, metric in pairs))


def find_metric(name: str, metrics: Sequence[str]) -> str | None:
    """Find a metric by its name, which may lack the kind of weights or a metric's own prefix.

    ``'mIoU'`` is ``'raw/mIoU'``, and ``'bbox_mAP'`` is ``'raw/coco/bbox_mAP'``. Raw weights come first.

    Args:
        name: the name, or ``'auto'`` for the first metric.
        metrics: all names.
    """
    if name == 'auto':
        return next(iter(metrics), None)
    if name in metrics:
        return name
    candidates = [metric for metric in metrics if metric.endswith(f'/{name}')]
    exact = [metric for metric in candidates if metric.split('/', 1)[1] == name]
    return next(iter(exact or candidates), None)


def near_metric(name: str, metrics: Sequence[str]) -> str | None:
    """Return the metric whose name is most similar, or None if none is."""
    last_parts = {metric.rsplit('/', 1)[-1].lower(): metric for metric in reversed(metrics)}
    near = difflib.get_close_matches(name.rsplit('/', 1)[-1].lower(), last_parts, n=1)
    return last_parts[near[0]] if near else None


def rule_of(name: str) -> Rule | None:
    """Return whether greater or smaller values of a metric are better, by its name; None if the name doesn't tell."""
    lower = f'_{name.rsplit("/", 1)[-1]}'.lower()
    if any(part in lower for part in LESS):
        return 'less'
    return 'greater' if any(part in lower for part in GREATER) else None
