"""Comparing a config with the one that a run saved, in all that the run's predictions depend on.

A run predicts as in its own validation only if images are prepared, and the model is built, as its config says. Most
of that can't be seen in the weights: they also fit a config that tests them at another input size.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ..data.segmentation.label_zero import AUTO
from .find import find_run_config, find_work_dir
from .provenance import innermost_values
from .source import read_literals

DATASET = 'test_dataloader.dataset'
PREDICTION = (
    *(f'{DATASET}.{key}' for key in ('transform', 'pipeline', 'value_range', 'page', 'reduce_zero_label')),
    'model',
    'tiles',
)
"""The parts of a config that predictions depend on."""
TTA_PREDICTION = ('tta_pipeline', 'tta_model', f'{DATASET}.reduce_zero_label', 'model', 'tiles')
"""Those parts with test-time augmentation."""
TRAINING = {
    *('auxiliary_head', 'batch_augments', 'drop_path_rate', 'dropout_ratio', 'empty_share', 'frozen_stages'),
    *('head_init_scale', 'init_cfg', 'label_smoothing', 'layer_scale_init_value', 'least_visible', 'mixup'),
    *('norm_eval', 'pretrained', 'requires_grad'),
    *('sampler', 'stage_loss_weights', 'train_cfg', 'with_cp', 'with_mask'),
}
"""Keys of models and data that only training reads. Losses are others: of them, tests read only ``use_sigmoid``."""
CHECKED = {'arch', 'final_norm_eps', 'num_classes', 'version'}
"""Keys of models that are taken from the checkpoint or its data, or whose difference is an error in loading."""
CHECKED_IN_BACKBONE = {'activation', 'kernel_size', 'norm', 'norm_before_pooling', 'norm_eps', 'stem'}
"""Such keys of backbones alone."""
EQUAL_IN_TESTS = {'SyncBN': 'BN', 'convnext_dense.FCNMaskHead': 'mmdet.FCNMaskHead'}
"""Names of parts that compute in testing what others do."""
NOT_SET = 'not set'
SHOWN = 2  # differences that the warning spells out


class Difference(NamedTuple):
    """A key with different values."""

    key: str
    given: Any
    saved: Any

    def __str__(self) -> str:
        return f'{self.key} is {self.given}, in the run {self.saved}'


def warning_of_differences(
    cfg: Config, path: str | Path, checkpoint: str | Path, options: Collection[str] = (), tta: bool = False
) -> str | None:
    """A line about the differences between a config and that of the run which a checkpoint is of.

    The run's config is read without running it.

    Args:
        cfg: the config, with all changes from the command line.
        path: its file.
        checkpoint: a work dir or a checkpoint in one, or anything else, which has no run's config.
        options: keys that the command line sets: they are meant to differ.
        tta: whether the model is tested with test-time augmentation.

    Returns:
        None if there are none that predictions depend on, the checkpoint is not in the work dir of a run, or the
        config is.
    """
    work_dir = find_work_dir(checkpoint)
    if work_dir is None or Path(path).resolve().parent == work_dir.resolve():
        return None
    saved = read_literals(find_run_config(work_dir))
    if saved is None:
        return None
    found = [
        one
        for one in differences(cfg.to_dict(), saved, tta)
        if not _is_set_by(options, one.key) and AUTO not in (one.given, one.saved)  # it differs from no other
    ]
    if not found:
        return None
    more = f'; and {len(found) - SHOWN} more' if len(found) > SHOWN else ''
    return (
        f'{path} does not predict as the run in {work_dir} does: {"; ".join(map(str, found[:SHOWN]))}{more}; '
        "leave out CONFIG to take the run's own config"
    )


def differences(given: Mapping[str, Any], saved: Mapping[str, Any], tta: bool = False) -> list[Difference]:
    """The differences between two configs that predictions depend on, in the order of :data:`PREDICTION`.

    There are none between configs of different tasks or kinds of backbones: one's weights do not fit the other.
    """
    backbones = [one.get('model', {}).get('backbone', {}).get('type') for one in (given, saved)]
    if given.get('task') != saved.get('task') or backbones[0] != backbones[1]:
        return []
    found = []
    for part in TTA_PREDICTION if tta else PREDICTION:
        ours, theirs = _values(given, part), _values(saved, part)
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            one = Difference(key, ours.get(key, NOT_SET), theirs.get(key, NOT_SET))
            if _comparable(one.given) != _comparable(one.saved):
                found.append(one)
    return found


def _values(config: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The values in a part of a config that predictions depend on, by their keys joined with dots."""
    value: Any = config
    for key in part.split('.'):
        if not isinstance(value, Mapping) or key not in value:
            return {}
        value = value[key]
    if value is None and part == 'tiles':  # none are as good as no setting
        return {}
    values = {(part, *map(str, keys)): one for keys, one in innermost_values(value)}
    return {'.'.join(keys): one for keys, one in values.items() if not _is_ignored(keys)}


def _is_ignored(keys: tuple[str, ...]) -> bool:
    if keys == ('model', 'type') or not (TRAINING | CHECKED).isdisjoint(keys[1:]):
        return True
    if keys[:2] == ('model', 'backbone') and keys[2:3] and keys[2] in CHECKED_IN_BACKBONE:
        return True
    if keys[-1] == 'max_pixels':  # decides whether an image is read, not how
        return True
    return any(key.startswith('loss') for key in keys) and keys[-1] != 'use_sigmoid'


def _comparable(value: Any) -> Any:
    """A value that is equal for settings of the same effect in testing: a list and a tuple, SyncBN and BN."""
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return EQUAL_IN_TESTS.get(value, value) if isinstance(value, str) else value


def _is_set_by(options: Collection[str], key: str) -> bool:
    return any(key == option or key.startswith(f'{option}.') for option in options)
