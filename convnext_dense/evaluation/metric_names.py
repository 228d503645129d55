"""Names of metrics in logs and results: ``<weights>/<metric>``, such as ``ema/top1``."""

from __future__ import annotations

from collections.abc import Iterable


def split_metric_names(metrics: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split metric names into the unique kinds of weights and the unique metrics, in order.

    ``['raw/top1', 'raw/top5', 'ema/top1']`` gives ``(['raw', 'ema'], ['top1', 'top5'])``.
    """
    pairs = [name.split('/', 1) for name in metrics]
    return list(dict.fromkeys(kind for kind, _ in pairs)), list(dict.fromkeys(metric for _, metric in pairs))
