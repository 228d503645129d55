"""Save the results of a benchmark as a JSON file with a descriptive name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ..io.files import atomic_write
from .timing import Row, Series, ratio


@dataclass
class Report:
    """Results of a run of the benchmark.

    Attributes:
        command: the command line.
        setting: the arguments ``what``, ``arch``, ``batch``, ``size``, ``device``, ``dtypes``, ``layout``,
            ``compiled`` and ``inference`` as plain values.
        environment: the result of :func:`~convnext_dense.analysis.environment.environment`.
        series: the measurements.
    """

    command: str
    setting: dict
    environment: dict
    series: list[Series]

    def file_name(self) -> str:
        """Return the file name: measurements, arch, batch and size if given, device, threads, dtypes and versions."""
        asked, made_on = self.setting, self.environment
        versions = [f'{name}{str(made_on[name]).split("+")[0]}' for name in ('torch', 'timm')]
        parts = [
            '-'.join(asked['what']),
            asked['arch'],
            f'batch{asked["batch"]}' if asked['batch'] else None,
            'x'.join(map(str, asked['size'])) if asked['size'] else None,
            asked['device'],
            f'{made_on["threads"]}threads',
            '-'.join(asked['dtypes']),
            asked['layout'],
            'compiled' if asked['compiled'] else None,
            'inference' if asked['inference'] else None,
            *versions,
        ]
        return '_'.join(['throughput', *filter(None, parts)]) + '.json'

    def as_json(self) -> dict:
        return {
            'command': self.command,
            'setting': self.setting,
            'environment': self.environment,
            'series': [_series(series) for series in self.series],
        }

    def save(self, folder: str | Path) -> Path:
        """Write the JSON file into an existing folder, replacing a file of the same name."""
        path = Path(folder, self.file_name())
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(self.as_json(), indent=2) + '\n')
        return path


def _series(series: Series) -> dict:
    return {
        'what': series.what,
        'about': series.about,
        'items': series.items,
        'unit': f'{series.unit}/s',
        'rows': [_row(series, row) for row in series.rows],
    }


def _row(series: Series, row: Row) -> dict:
    entry: dict = {'name': row.name, 'dtype': row.dtype, 'layout': row.layout}
    if row.problem:
        return {**entry, 'problem': row.problem, 'difference': row.difference}
    median, slow, fast = (round(rate, 4) for rate in series.rate(row))
    return {
        **entry,
        'rate': {'median': median, 'lower_quartile': slow, 'upper_quartile': fast},
        'rounds': len(row.seconds),
        'ours_is_faster': {ours.label: round(ratio(ours, row), 4) for ours in series.ours()},
        'difference': row.difference,
        'memory': row.memory,
    }
