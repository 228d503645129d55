"""A worker of a study: it takes trials and runs them one after the other, until there are none left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..errors import UserError
from ..tasks.tuned import Tuned, written
from .storage import with_retries
from .study import Study, Work
from .trial_run import POLL, Outcome, Start, best_value, log_size, wait_until_free, watch

MOST_FAILURES = 3
"""Failed trials in a row that end a worker."""


class Progress(Protocol):
    """What a worker tells of its trials."""

    def begun(self, work: Work) -> None:
        """Tell that a trial is begun or resumed."""

    def validated(self, work: Work, values: Sequence[float]) -> None:
        """Tell the values of a trial's validations so far."""

    def ended(self, work: Work, outcome: Outcome, value: float | None) -> None:
        """Tell that a trial has ended, with its best value."""


class StudyStopped(Exception):
    """A worker was asked to stop; its trial is resumed by the same command."""


def trial_options(values: Mapping[str, float], own: Mapping[str, Tuned], always: Mapping[str, object]) -> list[str]:
    """Return the ``--cfg-options`` of a trial: nothing for the settings that have the config's own values.

    Args:
        values: the trial's parameters by name.
        own: the settings of the config.
        always: options of all trials.
    """
    options = dict(always)
    for name, value in values.items():
        options.update(own[name].options(value))
    return [f'{key}={written(value)}' for key, value in options.items()]


def run_trials(
    study: Study,
    total: int,
    start: Start,
    arguments: Callable[[Work], Sequence[str]],
    progress: Progress,
    is_asked_to_stop: Callable[[], bool] = lambda: False,
    poll: float = POLL,
) -> None:
    """Run the trials of a study that no other process runs.

    Args:
        study: the study.
        total: number of trials of all processes.
        start: starts training.
        arguments: returns the arguments of ``train`` for a trial.
        progress: is told of the trials.
        is_asked_to_stop: whether this process is to stop.
        poll: seconds between two looks at a trial.

    Raises:
        UserError: if :data:`MOST_FAILURES` trials in a row have failed, or training has refused its input or found
            the disk full, which would be so for the next trial too; that trial counts as not finished.
        StudyStopped: if the process was asked to stop.
    """
    reasons: list[str] = []
    while True:
        if is_asked_to_stop():
            raise StudyStopped
        work = study.claim(total)
        if work is None:
            return
        try:
            outcome = _run(study, work, start, arguments, progress, is_asked_to_stop, poll)
        finally:
            study.release(work)
        if outcome.state == 'stopped':
            raise StudyStopped
        if outcome.state == 'refused':
            with_retries(study.discard_if_unused)
        if outcome.state in ('refused', 'full'):
            raise UserError(f'{work.folder.name} cannot be trained: {outcome.why}')
        reasons = [*reasons, outcome.why] if outcome.state == 'fail' else []
        if len(reasons) >= MOST_FAILURES:
            raise UserError(
                f'{len(reasons)} trials in a row have failed, the last one ({work.folder}) since: {reasons[-1]}'
            )


def _run(
    study: Study,
    work: Work,
    start: Start,
    arguments: Callable[[Work], Sequence[str]],
    progress: Progress,
    is_asked_to_stop: Callable[[], bool],
    poll: float,
) -> Outcome:
    wait_until_free(work.folder)
    progress.begun(work)

    def report(values: Sequence[float]) -> bool:
        progress.validated(work, values)
        return with_retries(lambda: study.report(work, values))

    def asked() -> bool:
        with_retries(lambda: study.beat(work))
        return is_asked_to_stop()

    begin = log_size(work.folder)
    process = start(work.folder, arguments(work))
    try:
        outcome = watch(process, work.folder, study.plan.metric, report, asked, begin, poll)
    except BaseException:
        process.kill()
        raise
    value = best_value(outcome.values, study.plan.rule == 'greater')
    if outcome.state == 'complete':
        study.finish(work, 'complete', value, '')
    elif outcome.state == 'pruned':
        study.finish(work, 'pruned', None, f'worse than others after {len(outcome.values)} validations')
    elif outcome.state == 'fail':
        study.finish(work, 'fail', None, outcome.why)
    progress.ended(work, outcome, value)
    return outcome
