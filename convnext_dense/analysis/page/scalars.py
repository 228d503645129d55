"""Charts of what a run has logged, as the content that the page draws."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...evaluation.metric_names import split_metric_names
from ...tasks import MainMetrics

Logged = Mapping[str, Sequence[tuple[int, float]]]
"""Logged values: (step, value) pairs by name."""
Panel = dict[str, Any]
"""A chart of :mod:`~convnext_dense.diagnosis.content` as JSON has it, with ``log``, ``smooth`` and ``main``."""

MOST_POINTS = 1200  # of a curve; of more, each stretch has its lowest and highest
COMPARED_POINTS = 240  # of a curve beside those of other runs
WEIGHTS = {'raw': 'raw', 'ema': 'EMA'}
NOT_METRICS = re.compile(r'(^|/)(images|time|data_time|epoch|iter|step)$')
PROBE = re.compile(r'linear_(mean_class_)?top1|knn\d+_top1')
"""Metrics of the hook FeatureProbe: accuracies of the features on labeled images."""
MEMORY = {'memory': 'GPU', 'host_memory': 'process'}  # peaks, in MB
METRIC_WORDS = {
    'top1': 'top-1',
    'top5': 'top-5',
    'mean_class_top1': 'top-1, mean of classes',
    'linear_top1': 'linear probe',
    'linear_mean_class_top1': 'linear probe, mean of classes',
    **{f'knn{k}_top1': f'{k} nearest neighbors' for k in (10, 20)},
}


def metric_words(name: str) -> str:
    """Return the name of a metric as people write it: ``box AP`` for ``box_AP``."""
    return METRIC_WORDS.get(name, name.replace('_', ' '))


def panels(logged: Logged, metrics: MainMetrics | None) -> list[Panel]:
    """Return the charts of a run: losses, main metrics, other metrics, lr, time and memory, those that were logged.

    Args:
        logged: all values.
        metrics: the main metrics of the run's task; None if that is unknown.
    """
    found = [*_losses(logged), *_validation(logged, metrics), _lr(logged), *_other_training(logged), _memory(logged)]
    return [panel for panel in found if panel and any(series['x'] for series in panel['series'])]


def main_panels(logged: Logged, metrics: MainMetrics | None) -> list[Panel]:
    """Return the charts by which runs are compared, with few points: the training loss, and the main metrics."""
    logged = {name: thinned(points, COMPARED_POINTS) for name, points in logged.items()}
    found = [*_losses(logged)[:1], *_by_metric(logged, metrics)]
    return [panel for panel in found if any(one['x'] for one in panel['series'])]


def _by_metric(logged: Logged, metrics: MainMetrics | None) -> list[Panel]:
    """A chart for each main metric, so that a curve differs from others in its run and its kind of weights alone."""
    found: list[Panel] = []
    if metrics is None:
        return found
    for name, label in metrics.labels.items():
        series = [
            _dashed(_series(WEIGHTS[kind], logged[f'val/{kind}/{name}']), kind)
            for kind in WEIGHTS
            if f'val/{kind}/{name}' in logged
        ]
        if series:
            of = label.strip(' ,')
            title = f'{_capital(metrics.title)}{f": {of}" if of else ""}'
            found.append({**_panel(title, metrics.step, metrics.unit, series), 'main': True})
    return found


def _dashed(series: dict[str, Any], kind: str, color: int | None = None) -> dict[str, Any]:
    """Draw averaged weights dashed, in the color of the raw ones."""
    return {**series, 'dash': kind == 'ema', **({} if color is None else {'color': color})}


def _losses(logged: Logged) -> list[Panel]:
    total = _panel('Training loss', 'optimizer step', 'loss', [_series('loss', logged.get('train/loss', ()), True)])
    parts = {name: points for name, points in logged.items() if _is_loss_part(name)}
    found = [{**total, 'log': True, 'smooth': True, 'main': True}]
    if parts:
        series = [_series(_training_name(name), points, True) for name, points in parts.items()]
        found.append({**_panel('Parts of the loss', 'optimizer step', 'loss', series), 'log': True, 'smooth': True})
    return found


def _is_loss_part(name: str) -> bool:
    return name.startswith('train/') and 'loss' in name.rsplit('/', 1)[-1] and name != 'train/loss'


def _training_name(name: str) -> str:
    return name.removeprefix('train/').replace('_', ' ')


def _validation(logged: Logged, metrics: MainMetrics | None) -> list[Panel]:
    """The main metrics, and all others."""
    names = [name for name in logged if name.startswith('val/') and not NOT_METRICS.search(name)]
    kinds, all_metrics = split_metric_names(name.removeprefix('val/') for name in names if name.count('/') >= 2)
    labels = dict(metrics.labels) if metrics else {}
    step = metrics.step if metrics else 'epoch or step'
    main = [
        _dashed(_series(f'{labels[metric]}{WEIGHTS.get(kind, kind)}', logged[f'val/{kind}/{metric}']), kind, place)
        for place, metric in enumerate(labels, 1)
        for kind in kinds
        if f'val/{kind}/{metric}' in logged
    ]
    others = [
        (metric, _series(f'{metric_words(metric)}, {WEIGHTS.get(kind, kind)}', logged[f'val/{kind}/{metric}']))
        for metric in all_metrics
        for kind in kinds
        if metric not in labels and f'val/{kind}/{metric}' in logged
    ]
    probe = [series for metric, series in others if PROBE.fullmatch(metric)]
    rest = [series for metric, series in others if not PROBE.fullmatch(metric)]
    for number, series in enumerate(rest):
        series['off'] = number >= 8
    found = []
    if main and metrics:
        found.append({**_panel(_capital(metrics.title), step, metrics.unit, main), 'main': True})
    if probe:
        found.append({**_panel('Features on labeled images, top-1', step, '%', probe), 'main': True})
    if rest:
        found.append(_panel('Other metrics on unseen images', step, '', rest))
    return found


def _lr(logged: Logged) -> Panel:
    """The learning rate, and that of each parameter group, of which two may differ in weight decay alone."""
    groups: dict[str, Sequence[tuple[int, float]]] = {}
    for name, points in logged.items():
        if name.startswith('train/lr/'):
            groups.setdefault(name.removeprefix('train/lr/').removesuffix('_no_decay').removesuffix('_decay'), points)
    ordered = sorted(groups.items(), key=lambda item: [(not p.isdigit(), p.zfill(6)) for p in item[0].split('_')])
    own = _series("optimizer's own" if groups else 'lr', logged.get('train/lr', ()))
    series = [own, *(_series(name.replace('_', ' '), points) for name, points in ordered)]
    return {**_panel('Learning rate', 'optimizer step', 'lr', series), 'log': True}


def _other_training(logged: Logged) -> list[Panel]:
    """Time per step, and what else the model logs, a chart for each unit."""
    time = {'step': 'train/time', 'waiting for data': 'train/data_time'}
    series = [_series(words, logged[name], True) for words, name in time.items() if name in logged]
    found = [{**_panel('Time per step', 'optimizer step', 'seconds', series), 'smooth': True}] if series else []
    known = {'train/loss', 'train/lr', *time.values()}
    others = [n for n in logged if n.startswith('train/') and not n.startswith('train/lr/') and n not in known]
    others = [name for name in others if not _is_loss_part(name)]
    accuracies = [name for name in others if re.search(r'acc', name.rsplit('/', 1)[-1].lower())]
    if accuracies:
        series = [_series(_training_name(name), logged[name], True) for name in accuracies]
        found.append({**_panel('Accuracy in training', 'optimizer step', '%', series), 'smooth': True})
    for name in [name for name in others if name not in accuracies][:4]:
        words = _training_name(name)
        found.append(
            {**_panel(_capital(words), 'optimizer step', words, [_series(words, logged[name], True)]), 'smooth': True}
        )
    return found


def _memory(logged: Logged) -> Panel:
    series = [
        _series(words, [(step, value / 1024) for step, value in logged[name]])
        for name, words in MEMORY.items()
        if name in logged
    ]
    return _panel('Peak memory so far', 'optimizer step', 'GB', series, low=0)


def _panel(title: str, x: str, y: str, series: list[dict[str, Any]], low: float | None = None) -> Panel:
    return {'title': title, 'x': {'label': x}, 'y': {'label': y, 'low': low}, 'series': series, 'note': ''}


def _series(name: str, points: Sequence[tuple[int, float]], smooth: bool = False) -> dict[str, Any]:
    kept = thinned(points)
    single = len(kept) == 1
    return {
        'name': name,
        'x': [step for step, _ in kept],
        'y': [float(f'{value:.6g}') for _, value in kept],
        'style': 'points' if single else 'line',
        'group': None,
        'smooth': smooth,
    }


def thinned(points: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> list[tuple[int, float]]:
    """Return at most ``most`` points of a curve: of each stretch the lowest and the highest, and both ends."""
    points = list(points)
    if len(points) <= most:
        return points
    stretches = (most - 2) // 2
    inner = points[1:-1]
    bounds = [round(i * len(inner) / stretches) for i in range(stretches + 1)]
    kept = [points[0]]
    for begin, end in pairwise(bounds):
        stretch = inner[begin:end]
        extremes = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept += sorted(extremes)
    return [*kept, points[-1]]


def _capital(text: str) -> str:
    """Begin with a capital, but for words such as ``mIoU``."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
