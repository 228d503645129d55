"""The tables of benchmarks/fcmae_transfer.py, for :mod:`.update_tables`."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

from benchmarks.measurements import HERE, machine

FILE = HERE / 'fcmae_transfer.json'
COMMAND = 'python benchmarks/fcmae_transfer.py'
STARTS = ('pretrained', 'random')
LABELS = {'classification': '{} images of each class', 'segmentation': '{} images'}
METHODS = {'classification': 'fine-tuning, classifier', 'segmentation': 'fine-tuning, UPerNet'}
METRICS = {'top1': 'top-1', 'mIoU': 'mIoU'}


def fcmae_transfer(path: Path = FILE) -> str:
    """Return the table of results from few labels, by pre-trained and random weights of the same seeds."""
    content = json.loads(path.read_text()) if path.exists() else None
    rows = [] if content is None else [*_probe_rows(content['probes']), *_run_rows(content['runs'])]
    if content is None or not rows:
        return f'Not measured yet: `{COMMAND}`.'
    lines = ['| method | labels | metric | pre-trained | random | gained, of each seed |', '| --- ' * 6 + '|']
    for method, labels, metric, values in rows:
        gained = [one - other for one, other in zip(values['pretrained'], values['random'], strict=True)]
        cells = [*(_mean_and_spread(values[start]) for start in STARTS), ', '.join(f'{one:+.1f}' for one in gained)]
        lines.append(f'| {" | ".join([method, labels, metric, *cells])} |')
    seeds = max(len(values['random']) for *_, values in rows)
    done, losses = content['pretraining'], content['pretraining']['held_out_loss']
    lines += [
        '',
        f'Mean and standard deviation of {seeds} seeds. Pre-training: {done["scenes"]:,} scenes of {done["size"]} '
        f'pixels without labels, {done["epochs"]} epochs, {done["steps"]:,} steps of {done["batch"]}, lr '
        f'{done["lr"]:g}; the loss on {done["held_out"]} other scenes went from {losses[0][1]:.3f} after '
        f'{losses[0][0]} epochs to {losses[-1][1]:.3f}. Fine-tuning: {_lengths(content["runs"])}. Measured with '
        f'`{COMMAND}` on {machine(content["environment"])}.',
    ]
    return '\n'.join(lines)


def fcmae_scan(path: Path = FILE) -> str:
    """Return the table of learning rates and layer-wise decays, the same for both starts, of a seed of its own."""
    runs = json.loads(path.read_text())['runs'] if path.exists() else []
    found = {(*_options(one), one['task'], one['start']): one['value'] for one in runs if one['options']}
    if not found:
        return f'Not measured yet: `{COMMAND} --scan`.'
    columns = sorted({key[2:] for key in found}, key=lambda one: (one[0], STARTS.index(one[1])))
    names = [f'{task}, {start}' for task, start in columns]
    lines = [f'| lr | layer-wise decay | {" | ".join(names)} |', '| --- ' * (len(columns) + 2) + '|']
    for lr, decay in sorted({key[:2] for key in found}):
        values = [found.get((lr, decay, *column)) for column in columns]
        cells = ['-' if value is None else f'{value:.1f}' for value in values]
        lines.append(f'| {lr:g} | {decay:g} | {" | ".join(cells)} |')
    return '\n'.join([*lines, '', f'Top-1 and mIoU of one seed, measured with `{COMMAND} --scan`.'])


Row = tuple[str, str, str, dict[str, list[float]]]
"""Method, labels, metric, and the values of each start in the order of the seeds."""


def _run_rows(runs: list[dict]) -> list[Row]:
    rows = []
    for task in METHODS:
        own = [one for one in runs if one['task'] == task and not one['options']]
        if values := _of_both(own, 'value'):
            labels = LABELS[task].format(own[0]['labels'])
            rows.append((METHODS[task], labels, METRICS[own[0]['metric']], values))
    return rows


def _probe_rows(probes: list[dict]) -> list[Row]:
    rows = []
    for count in sorted({one['labels'] for one in probes}):
        own = [{**one, **{f'{k}-NN': value for k, value in one['knn'].items()}} for one in probes]
        own = [one for one in own if one['labels'] == count]
        for key, method in (('linear', 'frozen, linear layer'), ('10-NN', 'frozen, 10 nearest neighbors')):
            if values := _of_both(own, key):
                rows.append((method, LABELS['classification'].format(count), 'top-1', values))
    return rows


def _of_both(results: list[dict], key: str) -> dict[str, list[float]]:
    """Return the values of each start for the seeds that both have; empty if there is none."""
    by_start = {start: {one['seed']: one[key] for one in results if one['start'] == start} for start in STARTS}
    seeds = sorted(by_start['pretrained'].keys() & by_start['random'].keys())
    return {start: [by_start[start][seed] for seed in seeds] for start in STARTS} if seeds else {}


def _lengths(runs: list[dict]) -> str:
    found = {one['task']: one for one in runs if not one['options']}
    return ', '.join(f'{one["steps"]:,} steps and {one["images"]:,} images in {task}' for task, one in found.items())


def _options(run: dict) -> tuple[float, float]:
    """Return lr and decay rate of a run of the scan."""
    values = {option.partition('=')[0].rpartition('.')[2]: option.partition('=')[2] for option in run['options']}
    return float(values['lr']), float(values['decay_rate'])


def _mean_and_spread(values: list[float]) -> str:
    return f'{mean(values):.1f}' if len(values) == 1 else f'{mean(values):.1f} ± {stdev(values):.1f}'
