"""Run one config of every family of mmdet and mmseg on ConvNeXt-A: build, train, predict, resume, export.

    python benchmarks/heads.py                          # all families, in two processes: an hour and more
    python benchmarks/heads.py mmdet:dino mmseg:fcn     # only these
    python benchmarks/heads.py --out benchmarks/heads.json      # with families: their rows there are replaced

Each config is adapted as `convnext-dense adapt` does it, trains four steps on the sample data on the CPU, predicts,
and goes on from its checkpoint of the second step; the end must equal that of the run that went through, bit for bit.
Images are small, the heads as published. Of each family the first config is taken by the rule of :func:`chosen`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from convnext_dense.adaptation.listing import Listed, list_sources
from convnext_dense.adaptation.notes import NotAdaptable
from convnext_dense.errors import UserError

ARCH = 'atto'
SECONDS = 900  # of one family, beside another one on two cores
FLAGS = (
    *('default_hooks.logger.interval=1', 'default_hooks.checkpoint.keep=2', 'val_dataloader.dataset.indices=2'),
    *(
        f'{name}_dataloader.{key}'
        for name in ('train', 'val')
        for key in ('num_workers=0', 'persistent_workers=False')
    ),
)
STAGES = ('builds', 'trains', 'predicts', 'resumes', 'exports')


@dataclass
class Row:
    """A family's row of the table."""

    family: str
    """Such as ``mmdet:dino``."""
    config: str
    model: str
    result: str
    """``'works'``; ``'not adapted'`` with the reason; or the first of :data:`STAGES` that failed."""
    exports: str = ''
    """What it is exported as."""
    reason: str = ''
    seconds: float = 0.0


def chosen(configs: Sequence[Listed]) -> list[Listed]:
    """Sort a family's configs: those with ResNet-50 first, then by the length of the name, which is least for plain
    ones.
    """
    return sorted(configs, key=lambda one: ('r50' not in one.name, len(one.name), one.name))


def families(only: Sequence[str]) -> dict[str, list[Listed]]:
    """Return the configs by family."""
    found: dict[str, list[Listed]] = {}
    for one in list_sources():
        found.setdefault(one.family, []).append(one)
    for name in only:
        if name not in found:
            raise SystemExit(f'heads.py: no family {name}: take some of {", ".join(found)}')
    return {name: configs for name, configs in found.items() if not only or name in only}


def measure(family: str, configs: Sequence[Listed], folder: Path) -> Row:
    """Try the configs of a family in order until one is adapted, and run that one."""
    start, reason = time.perf_counter(), ''
    for one in chosen(configs):
        row = Row(family, one.name, one.model, '')
        try:
            _run(row, folder)
        except NotAdaptable as error:
            reason = reason or str(error).partition("can't be adapted: ")[2] or str(error)
            continue
        row.seconds = round(time.perf_counter() - start, 1)
        return row
    first = chosen(configs)[0]
    return Row(family, first.name, first.model, 'not adapted', reason=reason)


def _run(row: Row, folder: Path) -> None:
    """Fill in the results of a row.

    Raises:
        NotAdaptable: if the config has no place for a ConvNeXt.
    """
    from convnext_dense.adaptation import adapt
    from convnext_dense.adaptation.writing import config_text

    config = folder / 'adapted.py'
    config.write_text(config_text(adapt(row.config, ARCH)), encoding='utf-8')
    run, second = folder / 'run', folder / 'second'
    try:
        row.result = 'builds'
        options = ('--cfg-options', *_build(config))
        row.result = 'trains'
        train: tuple[object, ...] = ('train', config, '--data', 'sample')
        try:
            _command(*train, '--work-dir', run, *options)
        except RuntimeError as error:
            if not (merge := re.search("--merge '(.*?)'", str(error))):  # a head for one class says how to join them
                raise
            train = (*train, '--merge', merge[1])
            _command(*train, '--work-dir', run, *options)
        row.result = 'predicts'
        _command('demo', run, _sample_image(), '--out-dir', folder / 'out')
        row.result = 'resumes'
        checkpoints = sorted(run.glob('*_[0-9]*.pth'), key=_number)
        shutil.copytree(run, second)
        (second / checkpoints[-1].name).unlink()
        _command(*train, '--work-dir', second, '--resume', *options)
        _check_equal(checkpoints[-1], second / checkpoints[-1].name)
        row.result = 'exports'
        row.exports = _export(run, folder / 'model.onnx')
        row.result = 'works'
    except Exception as error:  # of any library
        row.reason = ' '.join(str(error).split())[-300:] or type(error).__name__


def _command(verb: str, *arguments: object) -> str:
    """Run a command in this process, and return what it printed.

    Raises:
        RuntimeError: if it fails, with its error line.
    """
    from convnext_dense.cli import run_verb

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_verb(verb, [str(argument) for argument in arguments])
    if code:
        raise RuntimeError(err.getvalue().strip().rpartition('error: ')[2] or f'{verb} ended with {code}')
    return out.getvalue()


def _build(config: Path) -> list[str]:
    """Build a config's model, and return ``--cfg-options`` for four steps, with a checkpoint after two."""
    import torch

    from convnext_dense.config.read import read_config
    from convnext_dense.engine.building import build_trained_model

    cfg = read_config(str(config), data='sample', needs_data=False)
    with torch.device('meta'):
        build_trained_model(cfg)
    if cfg.train_cfg.get('max_iters'):
        return [*FLAGS, 'train_cfg.max_iters=4', 'default_hooks.checkpoint.interval=2']
    dataset, key = cfg.train_dataloader.dataset, 'train_dataloader.dataset'
    while 'dataset' in dataset:
        dataset, key = dataset.dataset, f'{key}.dataset'
    images = 2 * cfg.train_cfg.total_batch_size
    return [*FLAGS, 'train_cfg.max_epochs=2', 'default_hooks.checkpoint.interval=1', f'{key}.indices={images}']


def _number(checkpoint: Path) -> int:
    return int(re.findall(r'\d+', checkpoint.stem)[-1])


def _sample_image() -> Path:
    from convnext_dense.sample_data.create import ensure_sample

    return sorted((ensure_sample() / 'coco' / 'val2017').glob('*.jpg'))[0]


def _check_equal(one: Path, other: Path) -> None:
    """Compare the weights of two checkpoints bit for bit.

    Raises:
        RuntimeError: if they differ.
    """
    import torch

    first, second = (torch.load(path, map_location='cpu', weights_only=True)['state_dict'] for path in (one, other))
    names, both = sorted(first.keys() | second.keys()), first.keys() & second.keys()
    different = [name for name in names if name not in both or not torch.equal(first[name], second[name])]
    if different:
        raise RuntimeError(f'{len(different)} of {len(names)} tensors differ after the resume, such as {different[0]}')


def _export(run: Path, file: Path) -> str:
    """Export a run as its results, or else its features, and return what it was exported as."""
    shape = ('--shape', 192, 256)
    try:
        _command('export-onnx', run, file, *shape)
    except RuntimeError:
        _command('export-onnx', run, file, *shape, '--task-output', 'features')
        return 'features'
    return 'results'


def run_all(found: dict[str, list[Listed]], processes: int) -> Iterator[Row]:
    """Measure each family in a process of its own."""

    def one(family: str) -> Row:
        command = [sys.executable, __file__, '--one', family]
        limits = {'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
        plain = chosen(found[family])[0]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS, env={**os.environ, **limits}
            )
        except subprocess.TimeoutExpired:
            return Row(family, plain.name, plain.model, 'trains', reason=f'takes more than {SECONDS} s here')
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            return Row(family, plain.name, plain.model, 'builds', reason=done.stderr.strip()[-300:])
        return Row(**json.loads(lines[-1]))

    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(one, found)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('families', nargs='*', metavar='FAMILY', help='such as mmdet:dino (default: all)')
    parser.add_argument('--out', type=Path, help='write the rows there as JSON')
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--one', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        found = families(args.families)
    except UserError as error:
        raise SystemExit(f'heads.py: {error}') from None
    if args.one:
        (family,) = args.families
        with tempfile.TemporaryDirectory() as folder:
            row = measure(family, found[family], Path(folder))
        print(json.dumps(asdict(row)))
        return
    rows = []
    for row in run_all(found, args.processes):
        rows.append(row)
        print(f'{row.family:<28} {row.result:<12} {row.exports:<9} {row.seconds:6.0f} s  {row.reason}', flush=True)
    print(f'{sum(row.result == "works" for row in rows)} of {len(rows)} families work')
    if args.out:
        from convnext_dense.analysis.environment import environment

        kept = json.loads(args.out.read_text())['rows'] if args.families and args.out.exists() else []
        by_family = {row['family']: row for row in (*kept, *map(asdict, rows))}
        ordered = [by_family[name] for name in families([]) if name in by_family]
        content = {'arch': ARCH, 'rows': ordered, 'environment': environment()}
        args.out.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
