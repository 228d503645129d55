"""Resuming a run with another length.

The rule: at every step that is done, the new schedule must have the values that the run had. The run then goes on
exactly like one that was started with the new length. A constant schedule, steps at the same places, and an
exponential decay can be continued; a curve that is drawn over the whole run, such as a cosine, can not.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..compat import mmengine_private_names as internals
from ..errors import UserError
from .content import plain

LONG = 20_000
"""Steps whose replay takes more than a second or two."""

Groups = list[dict[str, Any]]


class Continued(NamedTuple):
    """Schedulers of another length, replayed up to a step of a run."""

    schedulers: Sequence[Any]
    progress: list[dict[str, Any]]
    """Each scheduler's progress after that step."""
    values: list[dict[str, float]] | None
    """Scheduled values of each parameter group for the next step; None for those in the checkpoint."""

    def apply(self) -> None:
        """Set the schedulers and the values of the optimizer, whose state is already loaded."""
        for scheduler, progress in zip(self.schedulers, self.progress, strict=True):
            scheduler.load_state_dict(progress)
        if self.values is not None:
            for group, values in zip(self.schedulers[0].optimizer.param_groups, self.values, strict=True):
                group.update(values)


def continue_schedule(runner: Any, filename: str, content: Mapping[str, Any]) -> Continued:
    """Replay the schedule of a run's new length up to the step of its checkpoint.

    Args:
        runner: the runner, with the optimizer as it was built, and schedulers of the new length.
        filename: path of the checkpoint.
        content: content of the checkpoint.

    Raises:
        UserError: if the change is not asked for, the new length is shorter than what is done, or the schedule would
            have had other values at a step that is done; the message says which run to start instead.
    """
    loop, done = runner.train_loop, content['meta']['iter']
    before, now = content['meta']['run']['steps'], loop.max_iters
    flag, unit = ('--iters', 1) if loop.counts_steps else ('--epochs', len(loop.dataloader))
    change = f'the run had {before} steps and now has {now}'
    instead = (
        f'start a new run from its weights: --work-dir {runner.work_dir}_more --pretrained {filename} '
        f'{flag} {max(1, (now - done if now > done else now) // unit)}, without --resume'
    )
    if not runner.may_change_length:
        raise UserError(
            f'{change}: resume with {flag} {before // unit}, its own length; another one takes {flag} and a schedule '
            f'that can be continued, or {instead.replace("start ", "", 1)}'
        )
    if done > now:
        raise UserError(f'{change}, of which {done} are done: {instead}')
    if done > LONG:
        runner.logger.info(f'comparing the schedules of {before} and {now} steps at each of the {done} that are done')
    saved = content['optimizer']
    base = [saved['base_param_settings']] if saved.get('base_param_settings') else []
    result = replay(
        runner.param_schedulers or [],
        content['param_schedulers'],
        [*saved['param_groups'], *base],
        Progress(done, content['meta']['epoch'], len(loop.dataloader)),
    )
    if isinstance(result, str):
        raise UserError(
            f'{change}, and its schedule can not be continued ({result}; a curve that ends with the run has another '
            f'shape in a longer or shorter one): {instead}'
        )
    return result


class Progress(NamedTuple):
    """Completed part of a run."""

    steps: int
    epochs: int
    steps_per_epoch: int


def replay(
    schedulers: Sequence[Any], saved: Sequence[Mapping[str, Any]], saved_groups: Groups, done: Progress
) -> Continued | str:
    """Replay a run's old and new schedule, and compare the values at every step that is done.

    Schedulers that follow a metric keep their state, since they do not depend on the length.

    Args:
        schedulers: mmengine's schedulers of the new length, just built.
        saved: states of the run's own schedulers.
        saved_groups: parameter groups of the run's optimizer wrapper.
        done: the part of the run that is done.

    Returns:
        The new schedulers after that part, or a description of the first difference.
    """
    own = [plain(scheduler.state_dict()) for scheduler in schedulers]
    if [state.keys() for state in own] != [state.keys() for state in saved]:
        return 'its parts are others'
    if not schedulers:
        return Continued([], [], None)
    followers = [getattr(scheduler, 'need_val_args', False) for scheduler in schedulers]
    for follows, state, other in zip(followers, own, saved, strict=True):
        if follows and _settings(state) != _settings(other):
            return 'a part that follows a metric has other settings'
    old = _Schedule(schedulers, saved, saved_groups)
    new = _Schedule(schedulers, own, schedulers[0].optimizer.param_groups)
    for step, (before, now) in enumerate(zip(old.values(done), new.values(done), strict=True), start=1):
        differing = [name for name in now[-1] if [g[name] for g in before] != [g[name] for g in now]]
        if differing and (step <= done.steps or any(followers)):
            name = differing[0]
            return f'at step {step} the {name} was {before[-1][name]:g} and would have been {now[-1][name]:g}'
    progress = [
        {key: (state if follows else vars(part))[key] for key in internals.SCHEDULER_PROGRESS if key in state}
        for follows, state, part in zip(followers, saved, new.parts, strict=True)
    ]
    return Continued(schedulers, progress, None if any(followers) else now)


class _Schedule:
    """A copy of schedulers at the start of a run, with an optimizer that is only their parameter groups."""

    def __init__(self, schedulers: Sequence[Any], states: Sequence[Mapping[str, Any]], groups: Groups) -> None:
        names = {scheduler.param_name for scheduler in schedulers}
        self.groups = [{key: value for key, value in group.items() if key != 'params'} for group in groups]
        for group in self.groups:
            group.update({name: group[f'initial_{name}'] for name in names if f'initial_{name}' in group})
        self.names = sorted(names)
        optimizer = internals.optimizer_of_groups(self.groups)
        self.parts = [_at_start(*pair, optimizer) for pair in zip(schedulers, states, strict=True)]
        for part in self.parts:
            self._step(part)

    @staticmethod
    def _step(part: Any) -> None:
        if not getattr(part, 'need_val_args', False):
            part.step()

    def values(self, done: Progress) -> Iterator[list[dict[str, float]]]:
        """Yield the values of all groups at each step that is done, and those for the next."""
        for step in range(1, done.steps + 1):
            yield self._current()
            ends_epoch = step % done.steps_per_epoch == 0 and step // done.steps_per_epoch <= done.epochs
            for part in self.parts:
                if ends_epoch or not part.by_epoch:
                    self._step(part)
        yield self._current()

    def _current(self) -> list[dict[str, float]]:
        return [{name: group[name] for name in self.names if name in group} for group in self.groups]


def _at_start(scheduler: Any, state: Mapping[str, Any], optimizer: Any) -> Any:
    part = copy.copy(scheduler)
    settings = {key: copy.deepcopy(value) for key, value in state.items() if key not in internals.SCHEDULER_PROGRESS}
    if 'milestones' in settings:  # older checkpoints have the steps as text
        settings['milestones'] = Counter({int(step): count for step, count in settings['milestones'].items()})
    part.load_state_dict({**settings, 'optimizer': optimizer, 'last_step': -1, '_global_step': -1, 'verbose': False})
    return part


def _settings(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: v for key, v in state.items() if key not in {*internals.SCHEDULER_PROGRESS, 'verbose', 'end'}}
