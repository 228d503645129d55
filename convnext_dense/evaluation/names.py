"""The names of metrics: ``<weights>/<metric>``, such as ``ema/top1``."""

from __future__ import annotations

from collections.abc import Iterable


def split_names(metrics: Iterable[str]) -> tuple[list[str], list[str]]:
    """The kinds of weights and the metrics in a set of names, each once, in order."""
    pairs = [name.split('/', 1) for name in metrics]
    return list(dict.fromkeys(kind for kind, _ in pairs)), list(dict.fromkeys(metric for _, metric in pairs))
