"""Checks that a resumed run continues exactly as an uninterrupted one, and restoring the schedulers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.dist import get_rank

from ..compat import mmengine_private_names as internals
from ..counting import counted
from ..data.class_choice import as_choice
from ..data.foreign import innermost
from ..data.subset import Split
from ..errors import UserError
from ..models.freezing import frozen_parts, shortened
from ..weights.extraction import dataset_meta
from .content import RunFacts, plain


class _Condition(NamedTuple):
    """A fact that must not change: its description and the fix, each with a placeholder for the value."""

    description: str
    fix: str
    none: str = 'None'
    """The value None, or no names, in words."""


# by the key in RunFacts
UNCHANGED = {
    'split': _Condition('the split of the data by {}', 'resume with {}', none='no flags'),
    'split_names': _Condition('a split with the digest {}', 'restore its split.json (digest {})', none='none'),
    'seed': _Condition('the seed {}', 'resume with --seed {}'),
    'total_batch': _Condition(
        'a total batch of {}',
        'choose train_dataloader.batch_size so that its product with the processes and an accumulation is {}',
    ),
    'tiles': _Condition('images in tiles by {}', 'resume with {}', none='no flags'),
    'images': _Condition('{} training images', 'resume with the same {}'),
    'label_zero': _Condition('label 0 of the masks as {}', 'resume with --label-zero {}'),
    'class_choice': _Condition('{}', 'resume with {}', none='all classes of the data'),
    'balance': _Condition('{}', 'resume with {}', none='no balance of classes'),
    'frozen': _Condition('{} frozen', 'resume with its own --freeze and model.backbone.frozen_stages', none='no part'),
}
_LIMITS = ('begin', 'end', 'total_iters')
"""Entries of a scheduler's state with its place in the run, which is fitted to the run's length when it is built."""
# Entries of an optimizer's parameter group that change during the run, or do not affect the result.
_NOT_SETTINGS = {'params', 'lr', 'initial_lr', 'fused', 'foreach', 'capturable', 'differentiable'}


def run_facts(runner: Any) -> RunFacts:
    """Collect the facts about a run that are saved in its checkpoints."""
    loop = runner.train_loop
    metainfo = getattr(loop.dataloader.dataset, 'metainfo', {})
    ignored = metainfo.get('reduce_zero_label')
    return {
        'seed': runner.seed - (get_rank() if internals.seeds_differ_between_processes(runner) else 0),
        'sampler_seed': loop.sampler.seed,
        'total_batch': loop.plan.total,
        'images': len(loop.dataloader.dataset),
        'tiles': _tile_flags(loop.dataloader.dataset),
        'objects': _count_objects(loop.dataloader.dataset),
        'steps': loop.max_iters,
        'plan': str(loop.plan),
        'label_zero': _label_zero(ignored),
        'split': split_flags(loop.dataloader.dataset),
        'split_names': _split_names(loop.dataloader.dataset),
        'class_choice': _class_choice(metainfo),
        'balance': None if (balance := getattr(loop.sampler, 'balance', None)) is None else balance.flags,
        'frozen': frozen_parts(runner.bare_model),
    }


def _count_objects(dataset: Any) -> int | None:
    counts: list[Any] = [getattr(part, 'class_counts', None) for part in innermost(dataset)]
    return None if any(one is None for one in counts) else int(sum(one.sum() for one in counts))


def _tile_flags(dataset: Any) -> str | None:
    settings = [one.tiles for one in innermost(dataset) if getattr(one, 'tiles', None) is not None]
    return ', '.join(dict.fromkeys(one.flags for one in settings)) or None


def split_flags(dataset: Any) -> str | None:
    """Return the flags that split the data set of which this is a part; None if it is whole."""
    return ', '.join(dict.fromkeys(one.rule.flags for one in _splits(dataset))) or None


def _split_names(dataset: Any) -> str | None:
    return ', '.join(dict.fromkeys(one.digest for one in _splits(dataset))) or None


def _splits(dataset: Any) -> list[Split]:
    return [part.kept_split for part in innermost(dataset) if getattr(part, 'kept_split', None)]


def saved_facts(content: Mapping[str, Any], own: RunFacts) -> Mapping[str, Any]:
    """Return the facts about its run in the content of a checkpoint; an older one may lack some.

    What label 0 of the masks means follows for older ones from their config, or was the default: unlabeled.

    Args:
        content: the checkpoint's content.
        own: facts about the current run.
    """
    saved = content['meta'].get('run', {})
    saved = {'class_choice': _class_choice(dataset_meta(content)), **saved}
    if own['label_zero'] is None or 'label_zero' in saved:
        return saved
    return {**saved, 'label_zero': _label_zero(dataset_meta(content).get('reduce_zero_label', True))}


def _class_choice(metainfo: Mapping[str, Any]) -> str | None:
    choice = as_choice(metainfo.get('choice'))
    return None if choice is None else str(choice)


def _label_zero(ignored: bool | None) -> str | None:
    return None if ignored is None else 'ignore' if ignored else 'class'


def check_same_run(saved: Mapping[str, Any], own: RunFacts) -> str | None:
    """Check that nothing has changed that would change the remaining steps.

    The same total batch may be composed differently: with another number of processes, or another batch per process,
    the steps use the same images with the same augmentation at the same lr. Results are then equal up to rounding,
    except that Mixup and drop path draw other random numbers.

    Args:
        saved: facts in the checkpoint, from :func:`saved_facts`.
        own: facts about the current run.

    Returns:
        A warning if the total batch is composed differently, or the training data have other objects, otherwise None.

    Raises:
        UserError: if a fact has changed; the message has the saved and the current value.
    """
    for key, condition in UNCHANGED.items():
        before, now = saved.get(key), own.get(key)
        if key in saved and before != now:
            before, now = (_in_words(value, condition, other) for value, other in ((before, now), (now, before)))
            raise UserError(
                f'the run had {condition.description.format(before)} and now has {now}: '
                f'{condition.fix.format(before)}; to change it, start a new run from its weights with --pretrained'
            )
    changed = []
    counts = [facts.get('objects') for facts in (saved, own)]
    if None not in counts and counts[0] != counts[1]:
        changed.append(
            f'the run learned from {counts[0]} objects and now learns from {counts[1]}: its data have changed'
        )
    if saved.get('plan', own['plan']) != own['plan']:
        changed.append(
            f'the run had a {saved["plan"]} and now has a {own["plan"]}: lr, steps and images stay the same, but '
            'Mixup and drop path draw other random numbers'
        )
    return '; '.join(changed) or None


def _in_words(value: Any, condition: _Condition, other: Any) -> Any:
    """Name what a fact is, and of names first those that the other one lacks."""
    if isinstance(value, list) and value:
        return shortened(sorted(value, key=lambda name: name in (other or ())))
    return value if value or value == 0 else condition.none


def frozen_otherwise(saved: Mapping[str, Any], own: RunFacts) -> str:
    """Say that older versions froze less of a classifier than this one; empty where they did not.

    Args:
        saved: facts in the checkpoint, from :func:`saved_facts`.
        own: facts about the current run.
    """
    if 'frozen' in saved or 'backbone' not in own['frozen']:
        return ''
    return 'older versions trained the final norm with frozen_stages=4: start a new run with --pretrained'


def check_same_optimizer(saved: list[dict], own: list[dict], reason: str = '') -> None:
    """Check that the optimizer's settings have not changed, since loading its state would silently undo a change.

    Args:
        saved: the checkpoint's parameter groups.
        own: the current optimizer's parameter groups.
        reason: why other tensors may be trained, and the fix, if that is known.

    Raises:
        UserError: if a setting has changed; the message has the saved and the current value.
    """
    fix = reason or 'resume with its config'
    if len(saved) != len(own):
        raise UserError(f'the run had {len(saved)} parameter groups and now has {len(own)}: {fix}')
    for before, group in zip(saved, own, strict=True):
        counts = [len(one['params']) for one in (before, group)]
        if counts[0] != counts[1]:
            name = group.get('group_name', 'a parameter group')
            raise UserError(
                f'the run trained {counted(counts[0], "tensor")} in {name} and now trains {counts[1]}: {fix}'
            )
        for key in (before.keys() & group.keys()) - _NOT_SETTINGS:
            if before[key] != group[key]:
                raise UserError(
                    f"the run's optimizer had {key} {before[key]} and now has {group[key]}: resume with the old "
                    'value; to change it, start a new run from its weights with --pretrained'
                )


def restore_schedulers(
    schedulers: Sequence[Any],
    saved: Sequence[dict[str, Any]],
    same_config: bool = False,
    instead: str = 'the config that it saved',
) -> str | None:
    """Set parameter schedulers to the step after which they were saved.

    Only their progress is restored from the saved state; all settings come from the config and must be unchanged.

    Args:
        schedulers: mmengine's schedulers, built from the config.
        saved: their states in the checkpoint. Older checkpoints have strings as keys of ``MultiStepLR``'s milestones.
        same_config: the config of the schedule is the one that the run had. If the schedulers begin or end at other
            steps nevertheless, another version has fitted them to the run, and those of the run go on.
        instead: what the run resumes with, for the error.

    Returns:
        A line if schedulers that another version has fitted go on, otherwise None.

    Raises:
        UserError: if the length, the lr or another setting has changed.
    """
    own = [plain(scheduler.state_dict()) for scheduler in schedulers]
    fitted = (
        same_config and _settings(saved) != _settings(own) and _settings(saved, _LIMITS) == _settings(own, _LIMITS)
    )
    if not fitted:
        check_same_schedule(saved, own, instead)
    for scheduler, state in zip(schedulers, saved, strict=True):
        restored = (*internals.SCHEDULER_PROGRESS, *_LIMITS)
        scheduler.load_state_dict({key: state[key] for key in restored if key in state})
    if not fitted:
        return None
    return f"the run's schedule goes on as its own version fitted it: it had {describe_change(saved, own)}"


def check_same_schedule(
    saved: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]], instead: str = 'the config that it saved'
) -> None:
    """Check that the schedule's length, lr and other settings have not changed.

    Args:
        saved: states of the schedulers in the checkpoint.
        own: states of the config's schedulers as plain values.
        instead: what the run resumes with, for the error.

    Raises:
        UserError: if a setting has changed; the message has the saved and the current one where it can.
    """
    if _settings(saved) != _settings(own):
        raise UserError(
            f'the run had {describe_change(saved, own)}: a run can only be resumed with its own schedule, '
            f'epochs, batch and lr: resume with {instead}; to change them, start a new run from its weights with '
            '--pretrained'
        )


def describe_change(saved: Sequence[dict[str, Any]], own: Sequence[dict[str, Any]]) -> str:
    """Describe the first difference of two schedules, such as ``a warm-up of 499 steps and now has one of 500``.

    Args:
        saved: states of the schedulers in the checkpoint.
        own: states of the config's schedulers.
    """
    if len(saved) != len(own):
        return f'a schedule of {counted(len(saved), "part")} and now has one of {len(own)}'
    for before, now in zip(saved, own, strict=True):
        unit = 'epoch' if now.get('by_epoch') else 'step'
        if [part.get('start_factor') is not None for part in (before, now)] == [True, True]:
            lengths = [part['total_iters'] for part in (before, now)]  # without the step that has the full lr
            if lengths[0] != lengths[1]:
                return f'a warm-up of {lengths[0]} {unit}s and now has one of {lengths[1]}'
        for key, what in (('begin', 'from'), ('end', 'up to')):
            if before.get(key) != now.get(key):
                return f'a part {what} {unit} {before.get(key)} and now has it {what} {unit} {now.get(key)}'
    return 'another learning rate or warm-up'


def _settings(states: Sequence[dict[str, Any]], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    left_out = {*internals.SCHEDULER_PROGRESS, 'verbose', *without}
    return [{key: _with_text_keys(v) for key, v in state.items() if key not in left_out} for state in states]


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(v) for key, v in value.items()}
    return [_with_text_keys(v) for v in value] if isinstance(value, list) else value
