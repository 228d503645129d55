"""Train the steps of the roadmap on one budget, one run after the other, and read their results.

Each step and seed is an ordinary run of its config in a folder of its own. A finished run has a ``result.json`` and is
not trained again; an interrupted run resumes from its newest checkpoint.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ..checkpoints import files as checkpoints
from ..checkpoints import manifest
from ..config.length import set_length
from ..config.machine import fit_to_machine
from ..config.precision import set_amp
from ..config.read import read_config
from ..engine import Runner
from ..errors import UserError
from ..io.files import atomic_write, ensure_writable_folder
from ..registry import DATASETS
from ..weights.reader import read_checkpoint
from .steps import TRACKS, config_of, design_of

BUDGET, RESULT = 'budget.json', 'result.json'


class Run(NamedTuple):
    """The training of one step with one seed."""

    step: str
    seed: int
    folder: Path

    @property
    def finished(self) -> bool:
        return (self.folder / RESULT).is_file()


class Budget(NamedTuple):
    """The settings that all runs of a series share."""

    track: str
    data: str  # the folder, or 'sample'
    epochs: int
    baseline_epochs: int  # of the first step, which has ResNet's recipe
    training_images: int
    validation_images: int
    resolution: int
    cfg_options: dict[str, str]


class Series:
    """The runs of a track in one folder: all steps with one seed, then all with the next.

    Args:
        track: a name of :data:`~convnext_dense.roadmap.steps.TRACKS`.
        work_dir: the folder, which holds the runs of one budget only.
        data: root of an image folder, or ``'sample'``.
        steps: names of some of the track's steps; None for all.
        seeds: number of seeds: 0, 1, 2, ...
        epochs: epochs of every run; None for each config's own (on the paper's schedule 90 for the old recipe, 300 for
            the others).
        options: changes to every config, as with ``--cfg-options``.

    Raises:
        UserError: for an unknown step; for data in another format; if the folder can't be written or holds runs on
            another budget.
    """

    def __init__(
        self,
        track: str,
        work_dir: str,
        data: str,
        steps: Sequence[str] | None = None,
        seeds: int = 1,
        epochs: int | None = None,
        options: dict | None = None,
    ) -> None:
        for step in steps or ():
            design_of(track, step)
        self.track = track
        self.data = data
        self.epochs = epochs
        self.options = options or {}
        self.runs = [
            Run(step.name, seed, Path(work_dir, f'{Path(config_of(track, step.name)).stem}_seed_{seed}'))
            for seed in range(seeds)
            for step in TRACKS[track]
            if steps is None or step.name in steps
        ]
        budget = self._budget()
        ensure_writable_folder(work_dir)
        for key, old, new in zip(Budget._fields, _read_budget(work_dir) or budget, budget, strict=True):
            if old != new:
                raise UserError(
                    f'work dir {work_dir} holds runs with {key.replace("_", " ")} {old}, not {new}: '
                    'use the same settings, or choose another folder with --work-dir'
                )
        with atomic_write(Path(work_dir, BUDGET)) as temporary:
            temporary.write_text(json.dumps(budget._asdict(), indent=1) + '\n')

    def train(self, run: Run) -> float:
        """Train or resume a run, validate it, and return its top-1 accuracy in percent."""
        cfg = self._config(run.step)
        cfg.randomness.seed = run.seed
        cfg.work_dir = str(run.folder)
        earlier = checkpoints.list_checkpoints(run.folder)
        cfg.resume = 'auto'
        fit_to_machine(cfg)
        start = time.perf_counter()
        runner = Runner.from_cfg(cfg)
        runner.train()
        if 'val/raw/top1' not in runner.message_hub.log_scalars:  # interrupted during the last validation
            runner.val_loop.run()
        top1 = runner.message_hub.get_scalar('val/raw/top1').current()
        seconds = None if earlier else round(time.perf_counter() - start, 1)
        result = {'step': run.step, 'seed': run.seed, 'top1': top1, 'seconds': seconds}
        with atomic_write(run.folder / RESULT) as file:
            file.write_text(json.dumps(result, indent=1) + '\n')
        _drop_training_state(run.folder)
        del runner
        gc.collect()  # reference cycles keep the network and the loaders' processes alive
        return top1

    def _config(self, step: str) -> Config:
        cfg = read_config(config_of(self.track, step), self.options, self.data)
        set_amp(cfg, None)
        set_length(cfg, self.epochs)
        return cfg

    def _budget(self) -> Budget:
        cfg, old_recipe = self._config('modern_recipe'), self._config('baseline')
        train, val = (len(DATASETS.build(cfg[key].dataset)) for key in ('train_dataloader', 'val_dataloader'))
        return Budget(
            track=self.track,
            data='sample' if self.data == 'sample' else str(Path(cfg.train_dataloader.dataset.root).resolve()),
            epochs=cfg.train_cfg.max_epochs,
            baseline_epochs=old_recipe.train_cfg.max_epochs,
            training_images=train,
            validation_images=val,
            resolution=cfg.train_dataloader.dataset.transform.input_size,
            cfg_options={name: str(value) for name, value in self.options.items()},
        )


def _read_budget(work_dir: str | Path) -> Budget | None:
    """Read the budget of the series in a folder, or return None if there is none.

    Raises:
        UserError: if the file has other content.
    """
    file = Path(work_dir, BUDGET)
    if not file.is_file():
        return None
    try:
        return Budget(**json.loads(file.read_text()))
    except (ValueError, TypeError):
        raise UserError(f'{file} was not written by the roadmap: choose another folder with --work-dir') from None


def results(work_dir: str | Path, track: str) -> dict[str, Any]:
    """Read the results of the finished runs of a series.

    Returns:
        The budget's fields, ``seeds`` (the largest number of seeds of a step), ``seconds`` (total of all runs, None if
        a run was interrupted), and ``top1`` in percent by step and seed.

    Raises:
        UserError: if the folder holds no series of this track.
    """
    budget = _read_budget(work_dir)
    if budget is None:
        raise UserError(f'no runs of the roadmap in {work_dir}: train them with --train')
    if budget.track != track:
        raise UserError(f'{work_dir} holds runs of the track {budget.track}: name it with --track')
    top1: dict[str, dict[str, float]] = {}
    seconds: list[float | None] = []
    for result in _read_results(Path(work_dir)):
        top1.setdefault(result['step'], {})[str(result['seed'])] = result['top1']
        seconds.append(result['seconds'])
    total = None if None in seconds else round(sum(s for s in seconds if s is not None), 1)
    return {**budget._asdict(), 'seeds': max(map(len, top1.values()), default=0), 'seconds': total, 'top1': top1}


def _read_results(work_dir: Path) -> Iterator[dict]:
    for file in work_dir.glob(f'*_seed_*/{RESULT}'):
        yield json.loads(file.read_text())


def _drop_training_state(folder: Path) -> None:
    """Keep only the weights of a finished run's newest checkpoint; the rest, two thirds, only serves to resume."""
    *earlier, newest = checkpoints.list_checkpoints(folder)
    content = read_checkpoint(newest)
    checkpoints.write({k: v for k, v in content.items() if k not in ('optimizer', 'param_schedulers')}, newest)
    for path in earlier:
        path.unlink()
    manifest.prune(folder, newest.name)
