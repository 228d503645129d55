"""Measurements that lie beside this file, for the tables of :mod:`.update_tables`."""

from __future__ import annotations

import json
from pathlib import Path

from convnext_dense.sample_data.names import SAMPLE

HERE = Path(__file__).parent


def results_on(*names: str) -> list[dict]:
    """Return the results of benchmarks/sample_accuracy.py on some of the drawn data sets."""
    results = [json.loads(path.read_text()) for path in sorted(HERE.glob('sample_*.json'))]
    return [result for result in results if result.get('data', SAMPLE) in names]


def machine(environment: dict) -> str:
    """Describe where a measurement was made."""
    gpu = f'with {environment["gpu"]}' if environment['gpu'] else 'without a GPU'
    return (
        f'{environment["cores"]} cores of {environment["cpu"]}, {gpu}, torch {environment["torch"]}, '
        f'Python {environment["python"]}'
    )
