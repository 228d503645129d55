"""Names of metrics in logs and results: ``<weights>/<metric>``, such as ``ema/top1``, and which way is better."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Literal

Rule = Literal['greater', 'less']

GREATER = re.compile(
    r'(m|a|fw)?(accuracy|acc|top|auroc|auc|precision|recall|dice|iou|f?score|f\d(score)?|[psr]q|psnr|ssim|(ap|ar)[sml]?)s?\d*'
)
"""Words in names of metrics of which higher values are better."""
LESS = re.compile(r'[rnm]?(mae|mse)\d*')
"""Words in names of metrics of which lower values are better."""
LOSS = re.compile(r'(loss|losses|errors?|err)\d*')
"""Words that make a name one of which lower values are better, whatever the other words."""


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


def describe_metrics(metrics: Sequence[str], asked: str) -> str:
    """List the metrics that there are for an error about one that there is not, with the most similar one."""
    near = near_metric(asked, metrics)
    return f'{", ".join(metrics) or "none"}{f"; did you mean {near}?" if near else ""}'


def rule_of(name: str) -> Rule | None:
    """Return whether greater or smaller values of a metric are better, by its name; None if the name doesn't tell.

    Whole words of the last part count, split at punctuation and case. What follows a dot is a class, as in
    ``Acc.horse``, if the words before it tell. Of several words the last one is the metric, as in ``mse_acc``.
    """
    for part in name.rsplit('/', 1)[-1].split('.'):
        rules = [rule for chunk in re.split(r'[^a-zA-Z0-9]+', part) for rule in _rules_in(chunk)]
        if rules:
            return 'less' if 'loss' in rules else 'greater' if rules[-1] == 'greater' else 'less'
    return None


def format_metric(name: str, value: float) -> str:
    """Format a metric for people: with two digits after the point, or four if it is a small loss or error."""
    return f'{value:.4f}' if rule_of(name) == 'less' and abs(value) < 10 else f'{value:.2f}'


def _rules_in(chunk: str) -> list[str]:
    """Return what the words of a chunk of letters and digits tell; ``mIoU`` is one word, ``maeIoU`` are two."""
    whole = _rule_of_word(chunk)
    words = [chunk] if whole else re.findall(r'[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+', chunk.replace('IoU', 'Iou'))
    return [rule for word in words if (rule := _rule_of_word(word)) is not None]


def _rule_of_word(word: str) -> str | None:
    patterns = (('loss', LOSS), ('less', LESS), ('greater', GREATER))
    return next((rule for rule, pattern in patterns if pattern.fullmatch(word.lower())), None)
