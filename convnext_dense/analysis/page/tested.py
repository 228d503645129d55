"""Results of the verb ``test`` as the content that the page shows: metrics, results by class, and the main numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...counting import counted
from ...evaluation.metric_names import rule_of, split_metric_names
from ...tasks import MainMetrics
from .scalars import Logged, metric_words

NOT_EQUAL = 0.5
"""Units of the last digit of the main metrics between two values that are called different."""


def metric_rows(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return all metrics by row, with a value for each kind of weights."""
    kinds, names = split_metric_names(metrics)
    rows = [
        {
            'name': metric_words(name),
            'values': [_number(metrics.get(f'{kind}/{name}')) for kind in kinds],
            'better': rule_of(name),
            'count': name == 'images',
        }
        for name in names
    ]
    return {'kinds': kinds, 'rows': rows}


def class_tables(per_class: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[dict[str, Any]]:
    """Return the results by class: columns and rows for each kind of weights, averaged weights first."""
    found = []
    for kind in sorted(per_class):  # ema before raw
        names = list(dict.fromkeys(name for values in per_class[kind].values() for name in values))
        columns = [{'name': 'class', 'kind': 'class'}, *({'name': metric_words(n), 'kind': 'percent'} for n in names)]
        rows = [[label, *(_number(values.get(n)) for n in names)] for label, values in per_class[kind].items()]
        found.append({'kind': kind, 'columns': columns, 'rows': rows})
    return found


def main_headlines(metrics: Mapping[str, Any], main: MainMetrics | None) -> list[dict[str, Any]]:
    """Return the main metrics of a test, of the averaged weights if they were tested; all if the task is unknown."""
    kinds, names = split_metric_names(metrics)
    kind = 'ema' if 'ema' in kinds else next(iter(kinds), '')
    shown = [name for name in (main.labels if main else names) if f'{kind}/{name}' in metrics and name != 'images']
    return [_headline(name, metric_words(name), _number(metrics[f'{kind}/{name}']), main) for name in shown[:6]]


def logged_headlines(logged: Logged, main: MainMetrics | None) -> list[dict[str, Any]]:
    """Return the main metrics of the last validation in training."""
    last = last_values(logged, main).items()
    return [_headline(name, f'{metric_words(name)}, last validation', value, main) for name, (_, _, value) in last]


def last_values(logged: Logged, main: MainMetrics | None) -> dict[str, tuple[str, int, float]]:
    """Return kind of weights, step and value of each main metric in the last validation, averaged weights first."""
    found = {}
    for name in main.labels if main else ():
        for kind in ('ema', 'raw'):
            points = logged.get(f'val/{kind}/{name}')
            if points and name not in found:
                found[name] = (kind, *points[-1])
    return found


def difference_note(logged: Logged, metrics: Mapping[str, Any], main: MainMetrics | None) -> str:
    """Say why the last value of the main metric in training is not that of the test; empty if they agree."""
    for name, (kind, step, value) in last_values(logged, main).items():
        tested = _number(metrics.get(f'{kind}/{name}'))
        if tested is None or main is None or abs(tested - value) < NOT_EQUAL * 10**-main.digits:
            continue
        images = logged.get(f'val/{kind}/images', ())
        few = int(images[-1][1]) if images else None
        many = _number(metrics.get(f'{kind}/images'))
        unit = 'epoch' if main.step == 'epoch' else 'step'
        on_few = f' on {counted(few, "image")}' if few else ''
        on_many = f' on {counted(int(many), "image")}' if many else ''
        why = (
            'the validation in training looks at fewer images, so its value is coarser'
            if few and many and few < many
            else 'they are of other images or of another checkpoint'
            if few != many
            else 'the test took another checkpoint than the last, or other settings'
        )
        validated, now = (f'{one:.{main.digits}f}' for one in (value, tested))
        return (
            f'The last validation in training, at {unit} {step:,}, had {metric_words(name)} {validated}{on_few}; the '
            f'test has {now}{on_many}: {why}.'
        )
    return ''


def _headline(metric: str, words: str, value: float | None, main: MainMetrics | None) -> dict[str, Any]:
    unit = main.unit if main else '%'
    is_lower = rule_of(metric) == 'less'
    return {'name': words, 'value': value, 'low': None, 'high': None, 'unit': unit, 'lower_is_better': is_lower}


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None
