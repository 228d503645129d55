"""Hook that writes and deletes checkpoints."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from ...checkpoints import disk, manifest
from ...checkpoints import files as checkpoints
from ...checkpoints.content import VALIDATED_STEP, Meta
from ...errors import UserError
from ...evaluation.metric_names import Rule, describe_metrics, find_metric, format_metric, rule_of
from ...io.files import TEMPORARY_NAME
from ...registry import HOOKS
from ..remembered import Values
from .ema import EMA

_KEY = 'default_hooks.checkpoint'
INSTEAD = {
    'save_optimizer': 'a run resumes from its checkpoints; best.pth has the weights alone',
    'save_param_scheduler': 'a run resumes from its checkpoints; best.pth has the weights alone',
    'save_last': 'the last checkpoint is always kept',
    'out_dir': 'checkpoints are in the work dir: set it with --work-dir',
    'filename_tmpl': 'checkpoints are epoch_N.pth, iter_N.pth and best.pth',
    'file_client_args': 'checkpoints are written to local disks',
    'backend_args': 'checkpoints are written to local disks',
    'published_keys': 'tools/convert_weights.py writes weights for publishing',
}
"""Arguments of mmengine's hook that this one does not have, each with the reason or the replacement."""


@HOOKS.register_module()
class Checkpoints(Hook):
    """Hook that writes ``epoch_N.pth`` after epochs, or ``iter_N.pth`` after steps, and ``best.pth`` after validation.

    A run that is stopped by a signal inside epoch N + 1 writes ``epoch_N_iter_M.pth``, after M steps. An old file is
    deleted only after the new one is complete on disk and in the manifest
    (:mod:`convnext_dense.checkpoints.manifest`); mmengine's own hook deletes first.

    The arguments of mmengine's ``CheckpointHook`` are known: those below, and others only with the value that this
    hook has anyway. A config that names ``CheckpointHook`` in ``default_hooks.checkpoint`` gets this hook.

    Args:
        interval: epochs between checkpoints, or steps if the train loop counts steps; there is always one at the end.
            -1 for no other.
        keep: number of checkpoints to keep; -1 for all.
        best: metric whose best weights are kept as ``best.pth``, without the optimizer, such as ``'raw/mIoU'``,
            ``'mIoU'`` for the raw weights, or ``'auto'`` for the first of which is known which values are better; None
            for no such file.
        rule: ``'greater'`` or ``'less'``, the values of the metric that are better; None to know it by the name.
        save_begin: epoch or step before which no checkpoint is written, except at the end.
        max_keep_ckpts, save_best: mmengine's names for ``keep`` and ``best``, instead of them.
        greater_keys, less_keys: mmengine's additional names of metrics with either rule.
        by_epoch: True or False if it must be the unit of the train loop.
        settings: further arguments of mmengine's hook.

    Raises:
        UserError: for a value out of range, an unknown argument, or one of mmengine's hook that this hook lacks.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        interval: int = 1,
        keep: int = 3,
        best: str | None = None,
        rule: Rule | None = None,
        save_begin: int = 0,
        max_keep_ckpts: int | None = None,
        save_best: str | Sequence[str] | None = None,
        greater_keys: Sequence[str] | None = None,
        less_keys: Sequence[str] | None = None,
        by_epoch: bool | None = None,
        **settings: object,
    ) -> None:
        _check_settings(settings)
        self.interval = _whole('interval', interval)
        self.keep = _whole('keep', keep) if max_keep_ckpts is None else _whole('max_keep_ckpts', max_keep_ckpts)
        self.best = _one_metric(save_best) or best
        self.rule = rule
        self.save_begin = save_begin
        self.by_epoch = by_epoch
        self._listed: dict[Rule, tuple[str, ...]] = {
            'greater': tuple(greater_keys or ()),
            'less': tuple(less_keys or ()),
        }
        if rule not in (None, 'greater', 'less'):
            raise UserError(f"{_KEY}.rule {rule!r} does not exist: take 'greater' or 'less'")
        if self.best not in (None, 'auto'):
            self._rule_of(self.best)
        self._best_is_absent = False  # once that is logged
        self._written = ''  # name of the last file that this process wrote

    def _known_rule(self, metric: str) -> Rule | None:
        """Return which values of a metric are better, or None if neither the settings nor its name tell."""
        listed = next((rule for rule, names in self._listed.items() if metric.endswith(names)), None)
        return self.rule or listed or rule_of(metric)

    def _rule_of(self, metric: str) -> Rule:
        """Return which values of a metric are better.

        Raises:
            UserError: if neither the settings nor its name tell.
        """
        found = self._known_rule(metric)
        if found is None:
            raise UserError(
                f"{_KEY}: are greater or smaller values of {metric} better? set {_KEY}.rule to 'greater' or 'less'"
            )
        return found

    def deciding(self, metrics: Iterable[str]) -> tuple[str, Rule] | None:
        """Return the name of the metric by which ``best.pth`` is chosen, and its rule; None if there is none."""
        candidates = [one for one in metrics if self._known_rule(one) is not None]  # a metric never ends a run
        name = None if self.best is None else find_metric(self.best, candidates)
        return None if name is None else (name, self._rule_of(name))

    def before_train(self, runner: Runner) -> None:
        """Delete the temporary files of a killed run, and check the free disk space."""
        counted = 'steps' if runner.train_loop.counts_steps else 'epochs'
        if self.by_epoch is not None and self.by_epoch == runner.train_loop.counts_steps:
            raise UserError(
                f'{_KEY}.by_epoch={self.by_epoch}: this run counts {counted}, and so do its checkpoints: leave it out'
            )
        if not is_main_process():
            return
        for path in Path(runner.work_dir).iterdir():
            if (match := TEMPORARY_NAME.fullmatch(path.name)) and checkpoints.is_run_file(match[1]):
                path.unlink(missing_ok=True)
        manifest.prune(runner.work_dir)
        present = checkpoints.list_checkpoints(runner.work_dir)
        if present:
            checkpoints.write_pointer(present[-1])
        if warning := disk.check_space(runner.work_dir, _full_size(runner), len(present), max(1, self.keep)):
            runner.logger.warning(warning)

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1
        if not runner.train_loop.counts_steps and self._is_due(epoch, runner.max_epochs):
            self._save(runner, f'epoch_{epoch}.pth', runner.remembered.gather(), by_epoch=True)

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        step = runner.iter + 1
        if runner.train_loop.counts_steps and self._is_due(step, runner.max_iters):
            self._save(runner, f'iter_{step}.pth', runner.remembered.gather(), by_epoch=False)

    def _is_due(self, done: int, total: int) -> bool:
        return done == total or (done >= self.save_begin and self.interval > 0 and done % self.interval == 0)

    def before_stop(self, runner: Runner) -> None:
        """Save the state after the last step when a signal stops the run; called between two steps."""
        path = self._save_last_step(runner)
        runner.logger.warning(f'stopped after step {runner.iter}, saved as {path}')

    def after_train(self, runner: Runner) -> None:
        """Save the state after the last step if a hook ended the run early, and record that the run is finished."""
        if runner.iter < runner.max_iters:
            self._save_last_step(runner)
            if is_main_process():
                manifest.note_stopped_early(runner.work_dir, runner.iter, runner.train_loop.stopped_by)

    def _save_last_step(self, runner: Runner) -> Path:
        """Save the state after the last step unless it is already saved, and return the file's path."""
        loop = runner.train_loop
        if loop.counts_steps:
            name = f'iter_{runner.iter}.pth'
        elif runner.iter == runner.epoch * len(loop.dataloader):
            name = f'epoch_{runner.epoch}.pth'
        else:
            name = f'epoch_{runner.epoch}_iter_{runner.iter}.pth'
        path = Path(runner.work_dir, name)
        remembered = runner.remembered.gather()  # by all processes
        if is_main_process() and name != self._written and (not path.exists() or manifest.damage(path)):
            complete = min(runner.epoch, runner.iter // len(loop.dataloader))  # a run that ends early counts its last
            self._save(runner, name, remembered, meta={'epoch': complete, 'iter': runner.iter})
        return path

    def _save(self, runner: Runner, name: str, remembered: list[Values], **kwargs: Any) -> None:
        runner.save_checkpoint(runner.work_dir, name, remembered=remembered, **kwargs)
        if is_main_process():
            path, self._written = Path(runner.work_dir, name), name
            checkpoints.write_pointer(path)
            # ignore checkpoints with more steps: they must be damaged, or the run would have resumed from them
            current = checkpoints.sort_key(path)
            present = checkpoints.list_checkpoints(runner.work_dir)
            earlier = [p for p in present if checkpoints.sort_key(p) <= current]
            for old in earlier[: -self.keep] if self.keep > 0 else []:
                old.unlink()
            manifest.prune(runner.work_dir, name)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        metrics, hub = metrics or {}, runner.message_hub
        name, _ = self.deciding(metrics) or (None, None)
        if name is not None and self._is_best(runner, name, metrics[name]):
            hub.update_info('best_score', metrics[name])
            hub.update_info('best_metric', name)
            meta: Meta = {'epoch': runner.epoch, 'iter': runner.iter}
            runner.save_checkpoint(
                runner.work_dir, checkpoints.BEST, save_optimizer=False, save_param_scheduler=False, meta=meta
            )
            if is_main_process():
                manifest.prune(runner.work_dir, checkpoints.BEST)
            value = format_metric(name, metrics[name])
            runner.logger.info(f'best so far: {name} {value}, kept as {checkpoints.BEST}')
        elif name is None and self.best is not None and not self._best_is_absent:
            self._best_is_absent = True
            known = describe_metrics(list(metrics), self.best)
            has_none = f'the validation has no metric {self.best!r}, it has {known}'
            unknown = (
                f'are greater or smaller values of {", ".join(metrics)} better? name one in {_KEY}.best and set '
                f"{_KEY}.rule to 'greater' or 'less'"
            )
            why = unknown if self.best == 'auto' and metrics else has_none
            runner.logger.warning(f'no {checkpoints.BEST}: {why}')
        hub.update_info(VALIDATED_STEP, runner.iter)
        if is_main_process():
            best = {key: hub.runtime_info.get(key) for key in ('best_score', 'best_metric')}
            manifest.note_validated(runner.work_dir, runner.iter, **best, metrics=metrics)

    def _is_best(self, runner: Runner, name: str, score: float) -> bool:
        """Check whether a score is better than the best so far, which another metric's does not count as."""
        known = runner.message_hub.runtime_info
        best, of_metric = known.get('best_score'), known.get('best_metric', name)
        if of_metric != name:
            runner.logger.warning(f'{checkpoints.BEST} was the best by {of_metric}, and is by {name} from now on')
            best = None
        if math.isnan(score):
            return False
        return best is None or (score > best if self._rule_of(name) == 'greater' else score < best)


def _full_size(runner: Runner) -> int:
    """Estimate a checkpoint's size in bytes: weights, their average, and two optimizer values per trained weight."""
    weights = disk.tensor_bytes(runner.bare_model.state_dict())
    averages = sum(disk.tensor_bytes(hook.average) for hook in runner.hooks if isinstance(hook, EMA))
    trained = [p for p in runner.bare_model.parameters() if p.requires_grad]
    return weights + averages + 2 * disk.tensor_bytes(trained)


def _check_settings(settings: dict[str, object]) -> None:
    """Check further arguments: those of mmengine's hook may have their defaults.

    Raises:
        UserError: if one does not exist, or this hook can't do what it says.
    """
    defaults = inspect.signature(CheckpointHook).parameters
    for name, value in settings.items():
        if name not in INSTEAD:
            own = inspect.signature(Checkpoints).parameters
            near = difflib.get_close_matches(name, [*own, *INSTEAD], n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise UserError(f'{_KEY} has no argument {name!r}{hint}')
        if value != defaults[name].default:
            raise UserError(f'{_KEY}.{name}={value!r} has no effect here: {INSTEAD[name]}')


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not (value > 0 or value == -1):
        none = 'all' if name != 'interval' else 'none but the last'
        raise UserError(f'{_KEY}.{name} {value!r}: take a whole number from 1, or -1 for {none}')
    return value


def _one_metric(save_best: str | Sequence[str] | None) -> str | None:
    if save_best is None or isinstance(save_best, str):
        return save_best
    if len(save_best) != 1 or not isinstance(save_best[0], str):
        raise UserError(f'{_KEY}.save_best {save_best!r}: there is one best.pth, so name one metric')
    return save_best[0]
