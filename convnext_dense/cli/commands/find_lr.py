"""Find a learning rate by a range test."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...analysis.lr_curve import Marks, draw
from ...engine import Runner
from ...engine.batch_trial import quiet_config
from ...engine.dry_run import check_first_step
from ...engine.lr_range import LrRangeLoop, Step, Suggestion, smooth, suggest
from ...errors import UserError
from ...io.files import atomic_write
from ...io.progress import busy
from ...tasks import task_of
from ...version import __version__
from ..arguments import program
from ..out_of_memory import explained_memory
from ..parsers.find_lr import JSON_NAME, command_of_curve, is_same_test
from .train import default_work_dir, prepare, with_batch

FOLDER, FIGURE_NAME = 'find_lr', 'find_lr.png'
ALIKE = 2.0
"""Factor between two learning rates up to which they are about the same."""


def run(args: argparse.Namespace) -> None:
    out = Path(args.out) if args.out else free_folder(args)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{out} cannot be made ({error.strerror}): choose another folder with --out') from None
    with tempfile.TemporaryDirectory() as folder:
        args.work_dir = os.path.join(folder, 'run')
        loop = _test(args)
    suggestion = suggest(loop.curve)
    facts = _facts(args, loop, suggestion)
    with atomic_write(out / JSON_NAME) as file:
        file.write_text(json.dumps(facts, indent=1) + '\n')
    marks = Marks(
        suggestion.steepest if suggestion else None, loop.own_lr, suggestion.at_minimum if suggestion else None
    )
    with atomic_write(out / FIGURE_NAME) as file:
        draw(loop.curve, file, 'png', marks, facts['title'])
    for line in describe(loop.curve, suggestion, loop.own_lr, loop.ended, facts['title'], flag=train_command(args)):
        print(line)
    kept = '' if args.out or out.name == FOLDER else f'; {out.parent / FOLDER} has that of another command'
    print(f'the curve is {out / FIGURE_NAME}, its values are in {out / JSON_NAME}{kept}')


def free_folder(args: argparse.Namespace) -> Path:
    """Return the folder for a curve in the work dir: one without a curve, or with that of the same command."""
    work_dir = Path(args.work_dir or default_work_dir(args))
    for number in itertools.count(1):
        folder = work_dir / (FOLDER if number == 1 else f'{FOLDER}_{number}')
        earlier = command_of_curve(folder)
        if earlier is None or is_same_test(earlier, args.command_line):
            return folder
    raise AssertionError


def _test(args: argparse.Namespace) -> LrRangeLoop:
    """Run the range test; nothing of it stays."""
    cfg, said, *_ = prepare(args)
    task = task_of(cfg)
    with explained_memory(args, args.flags, cfg), with_batch(args, cfg, None, said):
        quiet = _ramp_config(cfg, args)
        with Runner.from_cfg(quiet) as runner:
            check_first_step(runner.bare_model, cfg, task)
            loop: Any = runner.train_loop
            for line in filter(None, (*said, f'{loop.plan}, {args.steps} steps')):
                print(line)
            with busy(f'{args.steps} steps with growing learning rates'):
                try:
                    runner.train()
                except (AttributeError, KeyError) as error:
                    explained = task.explain_training_error(error, cfg)
                    if explained is None:
                        raise
                    raise UserError(explained) from error
    found: LrRangeLoop = loop
    return found


def _ramp_config(cfg: Config, args: argparse.Namespace) -> Config:
    """Return the config of the test: the run's own, whose steps have growing learning rates."""
    quiet = quiet_config(cfg, cfg.work_dir)
    own = cfg.train_cfg
    kept = {key: own[key] for key in ('total_batch_size', 'planned_batch_size') if own.get(key) is not None}
    ramp = dict(type='convnext_dense.LrRangeLoop', max_iters=args.steps, lr_start=args.start, lr_end=args.end)
    quiet.train_cfg = {**ramp, **kept}
    quiet.default_hooks.ema = None
    return quiet


def train_command(args: argparse.Namespace) -> str:
    """Return the command that trains as tested, up to its learning rate."""
    of_test = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ('--steps', '--start', '--end', '--out'):
        of_test.add_argument(flag)
    given = shlex.split(args.command_line)[len(args.prog.split()) :]
    _, kept = of_test.parse_known_args(given)
    return f'{program("train", args.prog.endswith(".py"))} {shlex.join(kept)} --lr'


def _facts(args: argparse.Namespace, loop: LrRangeLoop, suggestion: Suggestion | None) -> dict[str, Any]:
    title = f'{Path(args.config).stem}, total batch {loop.plan.total}'
    smoothed = smooth([step.loss for step in loop.curve if math.isfinite(step.loss)]).tolist()
    return {
        'title': title,
        'command': args.command_line,
        'version': __version__,
        'plan': str(loop.plan),
        'own_lr': loop.own_lr,
        'suggestion': {**suggestion._asdict(), 'cautious': suggestion.cautious} if suggestion else None,
        'ended': loop.ended,
        'lrs': [step.lr for step in loop.curve],
        'losses': [step.loss if math.isfinite(step.loss) else None for step in loop.curve],
        'smoothed': smoothed,
    }


def describe(
    curve: list[Step], suggestion: Suggestion | None, own: float, ended: str | None, title: str, flag: str
) -> list[str]:
    """Describe a curve in lines: where it ended, the suggestion, the config's own, and the command that takes it.

    Args:
        curve: the steps.
        suggestion: what they tell, or None.
        own: the config's learning rate.
        ended: why the ramp ended early, or None.
        title: config and batch.
        flag: command up to the learning rate.
    """
    stop = f'ended at {curve[-1].lr:.2g}, since {ended}' if ended else f'went up to {curve[-1].lr:.2g}'
    lines = [f'{title}: {len(curve)} steps from {curve[0].lr:.2g}; the ramp {stop}']
    if suggestion is None:
        return [
            *lines,
            "the loss has no clear descent, so nothing is suggested: keep the config's own learning rate "
            f'({own:.3g}), or test with more steps (--steps) or from other weights (--pretrained)',
        ]
    falling = ', where the ramp ended: it may still fall, see --end' if suggestion.still_falling else ''
    lines.append(
        f'suggested: {suggestion.steepest:.2g}, where the loss fell fastest; it was least at '
        f'{suggestion.at_minimum:.2g}{falling}, a tenth of which ({suggestion.cautious:.2g}) is the cautious choice'
    )
    factor = suggestion.steepest / own
    if 1 / ALIKE <= factor <= ALIKE:
        lines.append(f"the config's own, {own:.3g}, is about the same: keep it")
    else:
        times = f'{factor:.1f} times' if factor > 1 else f'1/{1 / factor:.1f} of'
        lines.append(
            f"that is {times} the config's own, {own:.3g}: try both, for instance `{flag} {suggestion.steepest:.2g}`"
        )
    return lines
