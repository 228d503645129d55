"""Conditions for a run to continue exactly as it would have, and the schedulers' state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.dist import get_rank

from ..compat import mmengine_internals as internals
from ..errors import UserError
from .content import RunFacts, plain


class _Condition(NamedTuple):
    """A fact that must not change: its description and the fix, each with a place for the value."""

    description: str
    fix: str


# by the key in RunFacts
UNCHANGED = {
    'seed': _Condition('the seed {}', 'go on with --seed {}'),
    'total_batch': _Condition(
        'a total batch of {}',
        'choose train_dataloader.batch_size so that its product with the processes and an accumulation is {}',
    ),
    'images': _Condition('{} training images', 'go on with the same {}'),
    'steps': _Condition('{} steps', 'go on with its own length, {} steps'),
}
# Entries of an optimizer's parameter group that move with the run, or say how it computes rather than what.
_NOT_SETTINGS = {'params', 'lr', 'initial_lr', 'fused', 'foreach', 'capturable', 'differentiable'}


def run_facts(runner: Any) -> RunFacts:
    """Collect the facts about a run that its checkpoints carry beside its state."""
    loop = runner.train_loop
    return {
        'seed': runner.seed - (get_rank() if internals.seeds_differ_between_processes(runner) else 0),
        'sampler_seed': loop.sampler.seed,
        'total_batch': loop.plan.total,
        'images': len(loop.dataloader.dataset),
        'steps': loop.max_iters,
        'plan': str(loop.plan),
    }


def check_same_run(saved: Mapping[str, Any], own: RunFacts) -> str | None:
    """Refuse what would change the remaining steps; the same total batch may be reached in another way.

    With another number of processes, or another batch of each, the steps draw the same images with the same
    augmentation at the same lr; they agree to rounding, but Mixup and drop path draw other numbers.

    Args:
        saved: facts in the checkpoint; an older one may lack some.
        own: facts about the run now.

    Returns:
        A warning if the total batch is reached in another way.

    Raises:
        UserError: with the saved and the present value.
    """
    for key, condition in UNCHANGED.items():
        before, now = saved.get(key), own[key]  # type: ignore[literal-required]
        if key in saved and before != now:
            raise UserError(
                f'the run had {condition.description.format(before)}, and now has {now}: '
                f'{condition.fix.format(before)}; to change it, start a new run from its weights with --pretrained'
            )
    if saved.get('plan', own['plan']) != own['plan']:
        return (
            f'the run had a {saved["plan"]}, and now has a {own["plan"]}: lr, steps and their images stay; '
            'Mixup and drop path draw other numbers'
        )
    return None


def check_same_optimizer(saved: list[dict], own: list[dict]) -> None:
    """Refuse changed settings, which loading the optimizer's state would silently set back.

    Args:
        saved: the checkpoint's parameter groups.
        own: the optimizer's now.

    Raises:
        UserError: with the saved and the present setting.
    """
    if len(saved) != len(own):
        raise UserError(f'the run had {len(saved)} parameter groups, and now has {len(own)}: go on with its config')
    for before, group in zip(saved, own, strict=True):
        for key in (before.keys() & group.keys()) - _NOT_SETTINGS:
            if before[key] != group[key]:
                raise UserError(
                    f"the run's optimizer had {key} {before[key]}, and now has {group[key]}: go on with its own; "
                    'to change it, start a new run from its weights with --pretrained'
                )


def restore_schedulers(schedulers: Sequence[Any], saved: Sequence[dict[str, Any]]) -> None:
    """Set parameter schedulers to the step that they were saved after.

    Only what moves with the run comes from the saved state; the rest is the config's, which must be the same.

    Args:
        schedulers: mmengine's schedulers, as they are built from the config.
        saved: their states in the checkpoint. Older ones have text as keys where ``MultiStepLR`` has numbers.

    Raises:
        UserError: if the length, the lr or another setting has changed.
    """
    check_same_schedule(saved, [plain(scheduler.state_dict()) for scheduler in schedulers])
    for scheduler, state in zip(schedulers, saved, strict=True):
        scheduler.load_state_dict({key: state[key] for key in internals.SCHEDULER_PROGRESS if key in state})


def check_same_schedule(saved: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]]) -> None:
    """Refuse a changed length, lr or other setting of a schedule.

    Args:
        saved: states of the schedulers in the checkpoint.
        own: states of the config's schedulers now, of plain values.

    Raises:
        UserError: with the saved and the present length, where it is the length.
    """
    if _settings(saved) != _settings(own):
        end, saved_end = (max((state.get('end', 0) for state in states), default=0) for states in (own, saved))
        what = f'{saved_end} steps, and now has {end}' if end != saved_end else 'another learning rate or warm-up'
        raise UserError(
            f"the run's schedule had {what}: a run can only be resumed with its own epochs, batch and lr; "
            'to go on with others start from its weights with --pretrained'
        )


def _settings(states: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    moving = {*internals.SCHEDULER_PROGRESS, 'verbose'}
    return [{key: _with_text_keys(v) for key, v in state.items() if key not in moving} for state in states]


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(v) for key, v in value.items()}
    return [_with_text_keys(v) for v in value] if isinstance(value, list) else value
