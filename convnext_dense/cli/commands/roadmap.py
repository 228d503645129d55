"""Show, train and draw the steps from ResNet to ConvNeXt."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ...benchmark.roadmap import throughput
from ...errors import Stopped, UserError
from ...io.files import atomic_write
from ...roadmap.figure import draw
from ...roadmap.measurements import describe_training, document
from ...roadmap.runs import Series, results
from ...roadmap.steps import TRACKS

OF_EACH_STEP = {'step', 'title', 'kept', 'params', 'macs', 'published'}


def run(args: argparse.Namespace) -> None:
    if args.document:
        content = _read(args.document, args.track)
    else:
        track = args.track or 'resnet50'
        # the log of training goes to stderr: stdout is for the JSON
        with redirect_stdout(sys.stderr) if args.json else nullcontext():
            training = _training(args, track)
        content = document(track, _timing(args.time, track) if args.time else None, training)
    if args.out:
        _write(content, Path(args.out))
    if args.json:
        print(json.dumps(content, indent=1))
    else:
        _show(content)


def _training(args: argparse.Namespace, track: str) -> dict | None:
    """Train the unfinished runs and return the results of all; without --train, return those of the finished runs."""
    if not args.train:
        return results(args.work_dir, track) if args.work_dir else None
    name = f'roadmap_{track}' + ('_sample' if args.data == 'sample' else '')
    work_dir = args.work_dir or f'work_dirs/{name}'
    series = Series(track, work_dir, args.data, args.steps, args.seeds or 1, args.epochs, args.cfg_options)
    runs, done = series.runs, sum(run.finished for run in series.runs)
    if done:
        print(f'{done} of {len(runs)} runs are finished already in {work_dir}')
    for run in runs:
        if run.finished:
            continue
        print(f'run {done + 1} of {len(runs)}: {run.step}, seed {run.seed}', flush=True)
        try:
            top1 = series.train(run)
        except (KeyboardInterrupt, Stopped):
            print(f'{done} of {len(runs)} runs are finished; the same command continues with {run.step}', flush=True)
            raise
        done += 1
        print(f'{run.step}, seed {run.seed}: top-1 {top1:.2f}', flush=True)
    return results(work_dir, track)


def _timing(batch: int, track: str) -> dict:
    try:
        return throughput(track, batch)
    except RuntimeError as error:
        if 'memory' not in str(error):
            raise
        raise UserError(f'--time {batch}: the batch does not fit into memory, use a smaller one') from None


def _read(path: str, track: str | None) -> dict:
    try:
        content = json.loads(Path(path).read_text())
        names = [step.name for step in TRACKS[content['track']]]
        known = content.keys() >= {'timing', 'training'} and names == [step['step'] for step in content['steps']]
        known = known and all(step.keys() >= OF_EACH_STEP for step in content['steps'])
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise UserError(
            f'{path} was not written by the roadmap: name a file that tools/roadmap.py --out or --json wrote'
        )
    if track not in (None, content['track']):
        raise UserError(f'{path} is of the track {content["track"]}, not {track}')
    return content


def _write(content: dict, folder: Path) -> None:
    start = folder / f'roadmap_{content["track"]}'
    with atomic_write(start.with_suffix('.json')) as file:
        file.write_text(json.dumps(content, indent=1) + '\n')
    figure = draw(content)
    for suffix in ('.png', '.svg'):
        with atomic_write(start.with_suffix(suffix)) as file:
            figure.savefig(file, dpi=150, metadata={'Date': None} if suffix == '.svg' else None)
    print(f'written: {start}.json, .png and .svg', file=sys.stderr)


def _show(content: dict) -> None:
    timing, training = content['timing'], content['training']
    columns = ['step', 'parameters', 'MACs', 'published', 'top-1, published']
    columns += ['images/s'] * bool(timing) + ['top-1, measured'] * bool(training)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify='left' if column == 'step' else 'right', no_wrap=True)
    for step in content['steps']:
        published = step['published']
        row = [
            step['step'] if step['kept'] else f'({step["step"]})',
            f'{step["params"] / 1e6:.2f}M',
            f'{step["macs"] / 1e9:.3f}G',
            f'{published["gmacs"]:.2f}G' + ('*' if published['misprint'] else ' '),
            _accuracy(published['top1'], published['std']),
        ]
        if timing:
            rate = step['images_per_second']
            row.append(f'{rate["median"]:.1f} ({rate["min"]:.1f} to {rate["max"]:.1f})')
        if training:
            measured = step.get('measured_top1')
            row.append(_accuracy(measured['mean'], measured['std']) if measured else '-')
        table.add_row(*row)
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    console.print(table)
    for line in _notes(content):
        console.print(line, soft_wrap=True)


def _notes(content: dict) -> list[str]:
    timing, training = content['timing'], content['training']
    lines = ['(step): tried and not kept. Parameters and MACs are counted here, at 224 with 1000 classes.']
    for step in content['steps']:
        if step['published']['misprint']:
            lines.append(f'* misprint at {step["step"]}: {step["published"]["misprint"]}')
    if timing:
        made_on = timing['environment']
        lines.append(
            f'images/s: median and range of {timing["rounds"]} rounds of the forward pass, batches of '
            f'{timing["batch"]} at {timing["resolution"]}, {made_on["gpu"] or made_on["cpu"]}, threads: '
            f'{made_on["threads"]}, torch {made_on["torch"]}, load at the start {made_on["load"]}, {made_on["date"]}'
        )
    if training:
        lines.append(f'top-1, measured: {describe_training(training)}')
    return lines


def _accuracy(mean: float, std: float | None) -> str:
    return f'{mean:.2f}' + (f' ± {std:.2f}' if std is not None else ' ' * 7)
