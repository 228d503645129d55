"""A study whose trials several processes and machines take from one storage, each trial once.

A trial is running, finished, pruned or failed in the storage. The process that runs it holds the lock of its folder,
which the kernel releases when the process ends for any reason, and writes a time to the storage now and then, by which
other machines know that it runs. A running trial of a process that has ended is taken up by the next one that asks,
with its own parameters.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from ..checkpoints import files as checkpoints
from ..errors import UserError
from ..evaluation.metric_names import Rule
from ..io.files import HOST, ensure_writable_folder
from ..tasks.tuned import SETTINGS, rounded
from .pruners import STARTUP_TRIALS, Pruner, make_pruner
from .ranges import Range
from .storage import open_storage, with_retries

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

STALE = 300.0
"""Seconds without a sign of life after which a trial of another machine counts as abandoned."""
BEAT = 30.0
"""Seconds between signs of life."""
SETUP_LOCK, TRIAL_LOCK = '.study.lock', '.trial.lock'
SETTINGS_KEY, VALUES_KEY, WORKER_KEY, BEAT_KEY, REASON_KEY = 'settings', 'values', 'worker', 'alive_at', 'reason'
RANGE_OF = 'range of '
"""Begins the names of ranges in the settings of a study."""


@dataclass(frozen=True)
class Plan:
    """What all processes of a study must agree on.

    Attributes:
        name: the study's name in its storage.
        metric: the metric that is watched, such as ``'raw/top1'``.
        rule: the values of it that are better.
        ranges: ranges of the settings that are searched.
        own: the config's own values of these, with which the first trial runs.
        pruner: name of the pruner.
        seed: seed of the sampler.
        validations: number of validations of a trial.
        settings: what else must be the same, by name, such as the config.
    """

    name: str
    metric: str
    rule: Rule
    ranges: Mapping[str, Range]
    own: Mapping[str, float]
    pruner: Pruner = 'median'
    seed: int = 0
    validations: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)

    def as_texts(self) -> dict[str, str]:
        """Return all settings as texts by name, to compare and to say where they differ."""
        return {
            **self.settings,
            'metric': f'{self.metric} ({self.rule} is better)',
            **{f'{RANGE_OF}{name}': str(one) for name, one in self.ranges.items()},
            'pruner': self.pruner,
            'seed': str(self.seed),
        }


@dataclass
class Work:
    """A trial that this process runs.

    Attributes:
        number: its number, from 0.
        values: its parameters by name.
        folder: its work dir.
        resumed: another process has begun it.
    """

    number: int
    values: dict[str, float]
    folder: Path
    resumed: bool
    trial: Trial
    lock: FileLock
    beaten_at: float = 0.0


class Study:
    """A study in a folder and a storage.

    Args:
        work_dir: the folder of its trials.
        url: see :func:`~convnext_dense.tuning.storage.open_storage`.
        plan: its settings.

    Raises:
        UserError: if the folder holds a run, or a study with other settings, or the storage can't be used.
    """

    def __init__(self, work_dir: str | Path, url: str | None, plan: Plan) -> None:
        self.work_dir, self.plan = Path(work_dir), plan
        ensure_writable_folder(work_dir)
        checkpoints.refuse_training_run(self.work_dir)
        with FileLock(self.work_dir / SETUP_LOCK):
            self.storage: BaseStorage = open_storage(self.work_dir, url)
            self._study = with_retries(self._load)

    # -- taking trials

    def claim(self, total: int) -> Work | None:
        """Take the next trial: one that was abandoned, or else a new one.

        Args:
            total: number of trials of all processes.

        Returns:
            The trial; None if all are finished or run in other processes.
        """
        return with_retries(lambda: self._claim(total))

    def _claim(self, total: int) -> Work | None:
        from optuna.trial import TrialState

        for frozen in self._trials(TrialState.RUNNING):
            if frozen.number < total and (work := self._take_up(frozen)):
                return work
        with FileLock(self.work_dir / SETUP_LOCK):
            while len(self._trials()) < total:
                self._study.enqueue_trial({})
        for frozen in self._trials(TrialState.WAITING):
            if frozen.number < total and (work := self._begin(frozen)):
                return work
        return None

    def _begin(self, frozen: FrozenTrial) -> Work | None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        lock = self._lock(frozen.number)
        if lock is None:
            return None
        with suppress(UpdateFinishedTrialError):
            if self.storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING):
                return self._work(frozen, lock, resumed=False)
        lock.release()
        return None

    def _take_up(self, frozen: FrozenTrial) -> Work | None:
        """Take a running trial if its process has ended."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        begun_here = (self._folder(frozen.number) / TRIAL_LOCK).exists()
        lock = self._lock(frozen.number)
        if lock is None:
            return None
        now = self.storage.get_trial(frozen._trial_id)  # it may have ended before the lock was free
        with suppress(UpdateFinishedTrialError):
            if now.state == TrialState.RUNNING and self._is_abandoned(now, begun_here):
                work = self._work(now, lock, resumed=True)
                mine = work.trial.user_attrs[WORKER_KEY]
                if self.storage.get_trial(now._trial_id).user_attrs.get(WORKER_KEY) == mine:
                    return work
        lock.release()
        return None

    def _is_abandoned(self, frozen: FrozenTrial, begun_here: bool) -> bool:
        """Whether the process of a running trial has ended, whose lock in this work dir is free.

        Args:
            frozen: the trial.
            begun_here: a process has had that lock.
        """
        worker = frozen.user_attrs.get(WORKER_KEY)
        if worker is None:  # its process has ended between two lines, or is another machine's that is there now
            started = frozen.datetime_start
            return begun_here or started is None or time.time() - started.timestamp() > STALE
        if worker['host'] == HOST and worker['folder'] == str(self._folder(frozen.number)):
            return True  # whose lock was free
        if worker['host'] == HOST and Path(worker['folder']).is_dir():
            lock = FileLock(Path(worker['folder'], TRIAL_LOCK))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return False
            lock.release()
            return True
        return time.time() - frozen.user_attrs.get(BEAT_KEY, 0.0) > STALE

    def _work(self, frozen: FrozenTrial, lock: FileLock, resumed: bool) -> Work:
        from optuna import Trial

        folder = self._folder(frozen.number)
        self._study.sampler = self._sampler(frozen.number)
        trial = Trial(self._study, frozen._trial_id)
        values = self._suggest(trial)
        work = Work(frozen.number, values, folder, resumed, trial, lock)
        trial.set_user_attr(
            WORKER_KEY, {'host': HOST, 'folder': str(folder), 'process': os.getpid(), 'at': time.time()}
        )
        trial.set_user_attr(VALUES_KEY, values)
        self.beat(work)
        return work

    def _suggest(self, trial: Trial) -> dict[str, float]:
        """Draw a trial's parameters, or return those that it has.

        The first trial has the config's own values. One that is outside of its range is no parameter of it then, since
        the sampler could make nothing of it.
        """
        values: dict[str, float] = {}
        for name, span in self.plan.ranges.items():
            setting, own = SETTINGS[name], self.plan.own[name]
            if trial.number == 0 and own not in span:
                values[name] = own
            elif setting.whole:
                values[name] = trial.suggest_int(name, int(span.low), int(span.high))
            else:
                drawn = trial.suggest_float(name, span.low, span.high, log=setting.log)
                values[name] = own if drawn == own else min(max(rounded(drawn), span.low), span.high)
        return values

    def _lock(self, number: int) -> FileLock | None:
        """Take the lock of a trial's folder; None if another process has it."""
        folder = self._folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / TRIAL_LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock

    def _folder(self, number: int) -> Path:
        return (self.work_dir / folder_name(number)).absolute()

    # -- telling

    def beat(self, work: Work) -> None:
        """Write a sign of life of a trial, if the last one is a while ago."""
        if time.monotonic() - work.beaten_at < BEAT and work.beaten_at:
            return
        work.beaten_at = time.monotonic()
        work.trial.set_user_attr(BEAT_KEY, time.time())

    def report(self, work: Work, values: Sequence[float]) -> bool:
        """Report the values of all validations so far, and return whether the trial is to be pruned.

        Args:
            work: the trial.
            values: the watched metric at each validation, the first one first. Those that are known are not compared
                again.
        """
        known = len(self.storage.get_trial(work.trial._trial_id).intermediate_values)
        for step, value in list(enumerate(values, start=1))[known:]:
            work.trial.report(value, step)
            if step < self.plan.validations and work.trial.should_prune():
                return True
        return False

    def finish(self, work: Work, state: Literal['complete', 'pruned', 'fail'], value: float | None, why: str) -> None:
        """Record the end of a trial, and release it.

        Args:
            work: the trial.
            state: how it ended.
            value: the best value of the watched metric, of a complete one.
            why: reason for the end of one that failed or was pruned.
        """
        from optuna.trial import TrialState

        states: dict[str, TrialState] = {
            'complete': TrialState.COMPLETE,
            'pruned': TrialState.PRUNED,
            'fail': TrialState.FAIL,
        }

        def tell() -> None:
            if self.storage.get_trial(work.trial._trial_id).state.is_finished():
                return  # by an attempt whose answer was lost
            if why:
                work.trial.set_user_attr(REASON_KEY, why)
            self._study.tell(work.trial, value if state == 'complete' else None, state=states[state])

        with_retries(tell)
        self.release(work)

    def release(self, work: Work) -> None:
        """Give up a trial, which another process may take up."""
        work.lock.release()

    def discard_if_unused(self) -> None:
        """Remove the study from its storage if no trial has trained, so that it may have other settings."""
        import optuna
        from optuna.trial import TrialState

        begun = [one for one in self._trials() if one.state != TrialState.WAITING]
        used = [one for one in begun if one.state != TrialState.RUNNING or one.intermediate_values]
        if not used and len(begun) <= 1:
            optuna.delete_study(study_name=self.plan.name, storage=self.storage)

    # -- reading

    def trials(self) -> list[FrozenTrial]:
        """Return all trials that were begun, by number."""
        from optuna.trial import TrialState

        return with_retries(lambda: [one for one in self._trials() if one.state != TrialState.WAITING])

    @property
    def best(self) -> FrozenTrial | None:
        """The best finished trial; None if there is none."""
        from optuna.trial import TrialState

        finished = [one for one in self.trials() if one.state == TrialState.COMPLETE]
        sign = 1 if self.plan.rule == 'greater' else -1
        return max(finished, key=lambda one: (sign * _value(one), -one.number), default=None)

    @property
    def optuna_study(self) -> Any:
        """The study as Optuna has it."""
        return self._study

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        found = self._study.get_trials(deepcopy=False, states=states or None)
        return sorted(found, key=lambda one: one.number)

    # -- making

    def _load(self) -> Any:
        import optuna

        direction: Literal['maximize', 'minimize'] = 'maximize' if self.plan.rule == 'greater' else 'minimize'
        pruner = make_pruner(self.plan.pruner, self.plan.validations)
        parts: dict[str, Any] = dict(storage=self.storage, sampler=self._sampler(0), pruner=pruner)
        try:
            study = optuna.load_study(study_name=self.plan.name, **parts)
        except KeyError:
            study = optuna.create_study(study_name=self.plan.name, direction=direction, load_if_exists=True, **parts)
        wanted, found = self.plan.as_texts(), study.user_attrs.get(SETTINGS_KEY)
        if found is None:
            if study.get_trials(deepcopy=False):
                raise UserError(
                    f'the study {self.plan.name} in this storage is not one of tune: choose another with --study'
                )
            study.set_user_attr(SETTINGS_KEY, wanted)
        elif line := _difference(found, wanted):
            raise UserError(
                f'the study {self.plan.name} in {self.work_dir} {line}, or choose another folder with --work-dir'
            )
        if not study.get_trials(deepcopy=False):
            inside = {name: own for name, own in self.plan.own.items() if own in self.plan.ranges[name]}
            study.enqueue_trial(inside)
        return study

    def _sampler(self, number: int) -> Any:
        """Make the sampler of a trial, whose draws follow from the seed, the number and the trials that are known."""
        from optuna.samplers import TPESampler

        text = f'{self.plan.seed} {number}'.encode()
        seed = int.from_bytes(hashlib.sha256(text).digest()[:4], 'little')
        return TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)


def folder_name(number: int) -> str:
    """Return the name of a trial's folder."""
    return f'trial_{number:03d}'


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _difference(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    """Describe how the settings of a study differ from those that are wanted, and what to do; empty if not.

    Ranges are described all at once, by what ``--search`` would set, and other settings by the first that differs.
    """
    others = [key for key in [*found, *wanted] if not key.startswith(RANGE_OF)]
    for key in others:
        if found.get(key) != wanted.get(key):
            return f'has {key} {found.get(key, "none")!r}, not {wanted.get(key, "none")!r}: use the same settings'
    before, now = (
        {key.removeprefix(RANGE_OF): text for key, text in one.items() if key.startswith(RANGE_OF)}
        for one in (found, wanted)
    )
    if before == now:
        return ''
    changed = [name for name in before if now.get(name) != before[name]]
    added = [name for name in now if name not in before]
    parts = [f'searches {name} in {before[name]} and this command {_searched(now.get(name))}' for name in changed]
    if added:
        parts.append(f'does not search {", ".join(added)} as this command does')
    fixes = [f'--search {",".join(f"{name}={before[name]}" for name in changed)}'] if changed else []
    if before.keys() != now.keys():
        fixes.append(f'--only {",".join(before)}')
    return f'{", ".join(parts)}: continue it with {" ".join(fixes)}'


def _searched(span: str | None) -> str:
    return f'in {span}' if span is not None else 'does not'
