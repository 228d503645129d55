"""Techniques of ConvNeXt's training recipe (arXiv 2201.03545, section 2.1), which can be left out one by one.

A technique that is left out is replaced by the corresponding part of ResNet's recipe, which is in
``configs/roadmap/r50_00_baseline.py``. A run without all of them still has three parts of ConvNeXt's recipe: the large
total batch, its warm-up, and LayerScale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import UserError
from ..tasks import TASKS, task_of

if TYPE_CHECKING:  # the command line names the techniques before mmengine is imported
    from mmengine.config import Config, ConfigDict

OLD_EPOCHS = 90
MIXING = {'mixup_alpha': 1.0, 'cutmix_alpha': 0.0}  # timm's defaults


class Technique(NamedTuple):
    """A technique of the recipe."""

    replacement: str  # description of the part of ResNet's recipe that replaces the technique
    in_use: Callable[[Config], bool]
    leave_out: Callable[[Config], None]  # changes the config


def leave_out(cfg: Config, name: str) -> None:
    """Remove a technique from a config.

    Args:
        cfg: the config, of a task that has techniques (``Task.has_techniques``).
        name: a key of :data:`TECHNIQUES`.

    Raises:
        UserError: if there is no such technique, the config does not use it, or its task has none.
    """
    if name not in TECHNIQUES:
        raise UserError(f'--without {name}: there is no such technique, take some of {", ".join(TECHNIQUES)}')
    task = task_of(cfg)
    if not task.has_techniques:
        suitable = ', '.join(other.name for other in TASKS.values() if other.has_techniques)
        raise UserError(f'--without is for {suitable}: this config is for {task.name}')
    technique = TECHNIQUES[name]
    if not technique.in_use(cfg):
        in_use = ', '.join(other for other in TECHNIQUES if TECHNIQUES[other].in_use(cfg))
        raise UserError(f'--without {name}: this run has no {name} to leave out; it has {in_use or "none of them"}')
    technique.leave_out(cfg)


def describe_without(names: Iterable[str]) -> str:
    """Return a line for the log that describes what replaces the techniques that a run leaves out."""
    return '; '.join(f'without {name}: {TECHNIQUES[name].replacement}' for name in names)


# -- Parts of a config


def _transform(cfg: Config) -> ConfigDict:
    return cfg.train_dataloader.dataset.transform


def _alpha(cfg: Config, name: str) -> float:
    mixup = cfg.model.get('mixup')
    return mixup.get(name, MIXING[name]) if mixup else 0.0


def _without_alpha(name: str) -> Callable[[Config], None]:
    def leave_out(cfg: Config) -> None:
        (other,) = MIXING.keys() - {name}
        cfg.model.mixup = dict(cfg.model.mixup, **{name: 0.0}) if _alpha(cfg, other) else None

    return leave_out


def _use_sgd(cfg: Config) -> None:
    total = cfg.train_cfg.get('total_batch_size') or cfg.train_dataloader.batch_size
    wrapper = cfg.optim_wrapper
    wrapper.optimizer = dict(type='SGD', lr=0.1 * total / 256, momentum=0.9, weight_decay=1e-4)
    wrapper.paramwise_cfg = dict(wrapper.get('paramwise_cfg') or {}, norm_decay_mult=1.0, bias_decay_mult=1.0)


def _use_steps(cfg: Config) -> None:
    epochs = cfg.train_cfg.max_epochs
    steps = dict(type='MultiStepLR', begin=0, end=epochs, gamma=0.1, convert_to_iter_based=True)
    steps['milestones'] = [epochs / 3, epochs * 2 / 3]
    cfg.param_scheduler = [part for part in cfg.param_scheduler if part.type != 'CosineAnnealingLR'] + [steps]


TECHNIQUES: dict[str, Technique] = {
    'adamw': Technique(
        'SGD with momentum 0.9, lr 0.1 per 256 images, weight decay 1e-4 on all weights, norms and biases included',
        lambda cfg: cfg.optim_wrapper.optimizer.type == 'AdamW',
        _use_sgd,
    ),
    'epochs300': Technique(
        f'{OLD_EPOCHS} epochs, which the schedule follows',
        lambda cfg: cfg.train_cfg.max_epochs > OLD_EPOCHS,
        lambda cfg: cfg.train_cfg.update(max_epochs=OLD_EPOCHS),
    ),
    'mixup': Technique(
        'CutMix alone, on as many batches; nothing if that is left out too',
        lambda cfg: _alpha(cfg, 'mixup_alpha') > 0,
        _without_alpha('mixup_alpha'),
    ),
    'cutmix': Technique(
        'Mixup alone, on as many batches; nothing if that is left out too',
        lambda cfg: _alpha(cfg, 'cutmix_alpha') > 0,
        _without_alpha('cutmix_alpha'),
    ),
    'randaugment': Technique(
        'nothing beyond crop and flip',
        lambda cfg: _transform(cfg).get('auto_augment') is not None,
        # without auto_augment, timm's default is color jitter
        lambda cfg: _transform(cfg).update(auto_augment=None, color_jitter=None),
    ),
    'random_erasing': Technique(
        'whole images',
        lambda cfg: _transform(cfg).get('re_prob', 0.0) > 0,
        lambda cfg: _transform(cfg).update(re_prob=0.0),
    ),
    'stochastic_depth': Technique(
        'every block on every image',
        lambda cfg: cfg.model.backbone.get('drop_path_rate', 0.0) > 0,
        lambda cfg: cfg.model.backbone.update(drop_path_rate=0.0),
    ),
    'label_smoothing': Technique(
        'targets without smoothing, in Mixup and CutMix too',
        lambda cfg: cfg.model.get('label_smoothing', 0.1) > 0,
        lambda cfg: cfg.model.update(label_smoothing=0.0),
    ),
    'cosine': Technique(
        'an lr that is divided by 10 after one and two thirds of the run',
        lambda cfg: any(part.type == 'CosineAnnealingLR' for part in cfg.param_scheduler),
        _use_steps,
    ),
    'ema': Technique(
        'raw weights only',
        lambda cfg: cfg.default_hooks.get('ema') is not None,
        lambda cfg: cfg.default_hooks.update(ema=None),
    ),
}
