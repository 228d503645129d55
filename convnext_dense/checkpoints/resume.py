"""What must be as it was for a run to go on as it would have."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmengine.dist import get_rank

from ..errors import UserError


class _Fact(NamedTuple):
    had: str
    fix: str


# By the key in a checkpoint's meta['run']: how it is said, and how it is put right.
FACTS = {
    'seed': _Fact('the seed {}', 'go on with --seed {}'),
    'total_batch': _Fact(
        'a total batch of {}',
        'choose train_dataloader.batch_size so that its product with the processes and an accumulation is {}',
    ),
    'images': _Fact('{} training images', 'go on with the same {}'),
    'steps': _Fact('{} steps', 'go on with its own length, {} steps'),
}
# What the state of an optimizer's group brings along and nobody sets, and how it computes.
_MOVING = {'params', 'lr', 'initial_lr', 'fused', 'foreach', 'capturable', 'differentiable'}


def facts(runner: Any) -> dict[str, Any]:
    """What a checkpoint says about the run it belongs to, beside its state."""
    loop = runner.train_loop
    per_rank = runner._randomness_cfg.get('diff_rank_seed', False)
    return {
        'seed': runner.seed - (get_rank() if per_rank else 0),
        'sampler_seed': loop.sampler.seed,
        'total_batch': loop.plan.total,
        'images': len(loop.dataloader.dataset),
        'steps': loop.max_iters,
        'plan': str(loop.plan),
    }


def check_same_run(saved: dict[str, Any], own: dict[str, Any]) -> str | None:
    """Refuse what would change the steps that are left; the same total batch may be reached in another way.

    With another number of processes, or another batch of each, the steps draw the same images with the same
    augmentation at the same lr; they agree to rounding, but Mixup and drop path draw other numbers.

    Returns:
        A warning if the total batch is reached in another way.

    Raises:
        UserError: with what was and what is.
    """
    for key, fact in FACTS.items():
        if key in saved and saved[key] != own[key]:
            raise UserError(
                f'the run had {fact.had.format(saved[key])}, and now has {own[key]}: {fact.fix.format(saved[key])}; '
                'to change it, start a new run from its weights with --pretrained'
            )
    if saved.get('plan', own['plan']) != own['plan']:
        return (
            f'the run had a {saved["plan"]}, and now has a {own["plan"]}: lr, steps and their images stay; '
            'Mixup and drop path draw other numbers'
        )
    return None


def check_same_optimizer(saved: list[dict], own: list[dict]) -> None:
    """Refuse settings that loading the optimizer's state would silently put back.

    Raises:
        UserError: with what was and what is.
    """
    if len(saved) != len(own):
        raise UserError(f'the run had {len(saved)} parameter groups, and now has {len(own)}: go on with its config')
    for before, group in zip(saved, own, strict=True):
        for key in (before.keys() & group.keys()) - _MOVING:
            if before[key] != group[key]:
                raise UserError(
                    f"the run's optimizer had {key} {before[key]}, and now has {group[key]}: go on with its own; "
                    'to change it, start a new run from its weights with --pretrained'
                )


def check_same_schedule(saved: list[dict], own: list[dict]) -> None:
    """Refuse a changed length or lr: mmengine's schedulers would take theirs from the checkpoint.

    Raises:
        UserError: with what was and what is.
    """
    moving = {'last_step', '_global_step', '_last_value', 'verbose'}
    fixed = [[{k: v for k, v in state.items() if k not in moving} for state in states] for states in (own, saved)]
    if fixed[0] != fixed[1]:
        end, saved_end = (max((state.get('end', 0) for state in states), default=0) for states in (own, saved))
        what = f'{saved_end} steps, and now has {end}' if end != saved_end else 'another learning rate or warm-up'
        raise UserError(
            f"the run's schedule had {what}: a run can only be resumed with its own epochs, batch and lr; "
            'to go on with others start from its weights with --pretrained'
        )
