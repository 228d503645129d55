"""What a study searches in a config, and by what it judges."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..checkpoints.origins import initial_checkpoints
from ..config.patience import BEST_KEY
from ..errors import UserError
from ..evaluation.metric_names import Rule, rule_of
from ..tasks import place_of, task_of

if TYPE_CHECKING:
    from mmengine.config import Config


class Watched(NamedTuple):
    """The metric that a study watches.

    Attributes:
        metric: its name, such as ``'raw/top1'``.
        rule: the values of it that are better.
        options: what makes every trial keep its best weights by it.
    """

    metric: str
    rule: Rule
    options: Mapping[str, Any]


def watched_metric(cfg: Config, options: Mapping[str, Any]) -> Watched:
    """Find the metric that decides a run's ``best.pth``, or else the main metric of its task.

    Args:
        cfg: the config.
        options: changes by ``--cfg-options``.

    Raises:
        UserError: if the run has no validation, or it is unknown which values of the metric are better.
    """
    if cfg.get('val_dataloader') is None:
        raise UserError(
            f'tune compares validations, and there are no validation data beside '
            f'{place_of(cfg.train_dataloader.dataset)}: hold out a fifth of the images with --val-split 0.2'
        )
    hook = cfg.default_hooks.get('checkpoint') or {}
    named = hook.get('best') or hook.get('save_best')
    named = named[0] if isinstance(named, list | tuple) and named else named
    if named in (None, 'auto'):
        main = next(iter(task_of(cfg).metrics.labels))
        if not _is_ours(cfg.get('val_evaluator')):
            raise UserError(
                f'the config names no metric that decides best.pth: set one with --cfg-options {BEST_KEY}=NAME'
            )
        always = {} if BEST_KEY in options and named is None else {BEST_KEY: f'raw/{main}'}
        return Watched(f'raw/{main}', rule_of(main) or 'greater', always)
    rule = hook.get('rule') or rule_of(str(named))
    if rule is None:
        raise UserError(
            f'are greater or smaller values of {named} better? set default_hooks.checkpoint.rule with --cfg-options'
        )
    return Watched(str(named), rule, {})


def count_validations(cfg: Config) -> int:
    """Count the validations of a run: at its interval, and at its end."""
    loop = cfg.train_cfg
    total = loop.get('max_epochs') or loop.get('max_iters')
    interval, begin = loop.get('val_interval', 1), max(1, loop.get('val_begin', 1))
    at_interval = total // interval - (begin - 1) // interval
    return max(1, at_interval + bool(total % interval))


def starts_from_weights(cfg: Config, pretrained: str | None) -> bool:
    """Check whether a run starts from pretrained weights.

    Args:
        cfg: the config.
        pretrained: what ``--pretrained`` names.
    """
    if pretrained is not None:
        return pretrained != 'none'
    return bool(cfg.get('pretrained') or cfg.get('load_from') or next(iter(initial_checkpoints(cfg.model)), None))


def digest(cfg: Config) -> str:
    """Return some characters that differ for configs with other values."""
    return hashlib.sha256(repr(cfg.to_dict()).encode()).hexdigest()[:12]


def _is_ours(evaluator: Any) -> bool:
    first = evaluator[0] if isinstance(evaluator, list | tuple) and evaluator else evaluator
    kind = first.get('type') if isinstance(first, Mapping) else None
    return isinstance(kind, str) and kind.startswith('convnext_dense.')
