"""The best score of each class for keeping objects, from the diagnosis of a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..config.find import find_work_dir
from ..diagnosis.reading import find_diagnosis, read_diagnosis
from ..errors import UserError
from ..tasks import Task

BEST = 'best'
"""The score that stands for those of the diagnosis."""


class BestScores(NamedTuple):
    """The score from which on objects of a class are best kept.

    Attributes:
        scores: float64 (K,), in [0, 1].
        line: what they are, and whether they are of other weights, in a sentence.
    """

    scores: np.ndarray
    line: str


def read_best_scores(source: str | Path, file: Path, weights: str, names: Sequence[str], task: Task) -> BestScores:
    """Read the best scores of a model's classes from its run's diagnosis; classes that have none get that of all.

    Args:
        source: the work dir of the run, or a checkpoint in it.
        file: the checkpoint's file that is used.
        weights: which of its weights.
        names: K class names.
        task: the model's task.

    Raises:
        UserError: if there is no diagnosis, it has no best scores, or is of other classes.
    """
    if not task.has_scores:
        raise UserError(
            f'--score best is for detections, and the results of a model for {task.name} have no scores: leave it out'
        )
    work_dir = find_work_dir(source)
    found = None if work_dir is None else find_diagnosis(work_dir)
    if found is None:
        command = f'convnext-dense diagnose {shlex.quote(str(source))}'
        where = f'`{command}` makes it' if work_dir is not None else 'it would be in the work dir of its run'
        raise UserError(f'--score best is from the diagnosis of a run, and {source} has none: {where}')
    content = read_diagnosis(found)
    best, overall = content.get('best_scores'), content.get('best_score')
    if not isinstance(best, dict) or not best or overall is None:
        raise UserError(f'{found} has no best scores, since no object was found in it: give a number with --score')
    if unknown := [name for name in content.get('classes', ()) if name not in set(names)]:
        raise UserError(
            f'{found} is of other classes than {file}, such as {unknown[0]!r}: diagnose the run again, or give a '
            'number with --score'
        )
    scores = np.array([float(overall if best.get(name) is None else best[name]) for name in names])
    lowest, highest = int(scores.argmin()), int(scores.argmax())
    line = f'best scores from {scores[lowest]:.2f} ({names[lowest]}) to {scores[highest]:.2f} ({names[highest]})'
    if absent := [name for name in names if best.get(name) is None]:
        line += f', {float(overall):.2f} for {len(absent)} without one, such as {absent[0]}'
    measured = Path(str(content.get('checkpoint', ''))).name, content.get('weights')
    if measured != (file.name, weights):
        line += f'; they are of the {measured[1]} weights of {measured[0]}, and these are the {weights} of {file.name}'
    return BestScores(scores, f'{line} ({found})')
