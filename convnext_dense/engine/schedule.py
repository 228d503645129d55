"""Fit the lr schedule to the length of the run."""

from __future__ import annotations

import copy
import logging
from typing import Any


def fit_schedule(scheduler: Any, steps: int, total: int, logger: logging.Logger) -> Any:
    """Fit a schedule to the run: drop parts shorter than two steps, and limit the warm-up to a tenth of the run.

    mmengine's linear warm-up over a single step would never leave its initial value. A warm-up given in steps is meant
    for a long run, and is cut to a tenth of a shorter run. Milestones in epochs are converted to steps.

    Args:
        scheduler: the config's ``param_scheduler``, not changed; anything but a part or a list of them is returned
            unchanged.
        steps: optimizer steps per epoch.
        total: optimizer steps of the run.
        logger: logger for the changes.

    Returns:
        The fitted configs of the schedulers.
    """
    if isinstance(scheduler, dict) and 'type' in scheduler:
        scheduler = [scheduler]
    if not isinstance(scheduler, list):
        return scheduler
    scheduler = copy.deepcopy(scheduler)
    for part in scheduler:
        tenth = total // 10
        # mmengine counts the step that has the full lr too
        if part['type'] == 'LinearLR' and part.get('by_epoch') is False and (warm_up := part['end'] - 1) > tenth:
            logger.warning(f'a warm-up of {warm_up} steps is too long for this run: it gets {tenth}')
            for other in scheduler:
                if other is not part and other.get('by_epoch') is False and other.get('begin') == part['end']:
                    other['begin'] = tenth + 1
            part['end'] = tenth + 1
        if 'milestones' in part and part.pop('convert_to_iter_based', False):
            # mmengine's own conversion would give non-integers for a shortened schedule
            part.update(by_epoch=False, begin=round(part['begin'] * steps), end=round(part['end'] * steps))
            part['milestones'] = [round(milestone * steps) for milestone in part['milestones']]
    kept = [part for part in scheduler if _steps(part, steps) >= 2]
    if len(kept) < len(scheduler):
        dropped = [part['type'] for part in scheduler if part not in kept]
        logger.warning(
            f'{", ".join(dropped)} would be shorter than two steps and {"is" if len(dropped) == 1 else "are"} left out'
        )
    return kept


def _steps(part: dict, steps_per_epoch: int) -> float:
    """Return the length of a part of the schedule in optimizer steps."""
    if part.get('by_epoch') is False:
        with_full_lr = part['type'] == 'LinearLR'  # a warm-up of one step is not worth a step without learning
        return part.get('end', float('inf')) - part.get('begin', 0) - with_full_lr
    if not part.get('convert_to_iter_based') or 'end' not in part:
        return float('inf')
    return int(part['end'] * steps_per_epoch) - int(part.get('begin', 0) * steps_per_epoch)
