"""Sizes of images in a detector's config: setting them all, keeping them equal, and describing them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..io.image_size import ImageSize
from .config_parts import loaders
from .pipelines import (
    SizedStep,
    as_size,
    find_last_size,
    find_pipelines,
    is_size,
    kind_of,
    resized_sides,
    scale_sizes,
    steps_of,
)
from .sizes import find_training_size, follow, pads_after, set_at, value_at

if TYPE_CHECKING:
    from mmengine.config import Config

    from .sizes import Keys, SetBy

SQUARES = ('crop_size', 'img_scale')
"""Keys of sizes that stay square: those of crops and of the images of a mosaic."""


def set_image_size(cfg: Config, size: ImageSize) -> None:
    """Set the size that images fit into in testing, and change all other sizes of a detector's config in proportion.

    Args:
        cfg: the config.
        size: height and width in pixels.

    Raises:
        UserError: if the test pipeline has no resize to set.
    """
    own = scale_in_testing(cfg)
    if own is None:
        raise UserError(
            f'--image-size {size.height} {size.width}: the test pipeline of this config has no resize to set'
        )
    short, long = (new / old for new, old in zip(sorted(size), sorted(own), strict=True))

    def scaled(key: str, own: Any) -> Any:
        if not isinstance(own, tuple):
            return max(1, round(own * short))
        if key == 'crop_size' or (key in SQUARES and own[0] == own[1]):
            # a range, or a crop that is no larger than the resized images
            return tuple(max(1, round(side * short)) if side > 1 else side for side in own)
        factors = (short, long) if own[0] <= own[1] else (long, short)
        return tuple(max(1, round(side * factor)) for side, factor in zip(own, factors, strict=True))

    before = find_training_size(cfg, width_first=True)
    parts = [*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline'), cfg.get('custom_hooks')]
    scale_sizes(parts, scaled)
    for step in steps_of(parts):
        if kind_of(step) == 'Pad' and is_size(step.get('size')):
            sides = as_size(step['size'])
            whole = sides.height == sides.width  # around images of any orientation
            step['size'] = (max(1, round(sides.height * long)),) * 2 if whole else scaled('size', tuple(sides))
    for leader in [before, *_switched_sizes(cfg)]:
        if leader is not None:
            new = as_size(value_at(cfg, leader.keys))  # width first
            for keys in pads_after(cfg, leader):
                set_at(cfg, keys, tuple(new))
    if before is not None:
        for keys in _batch_pads(cfg):
            set_at(cfg, keys, tuple(as_size(value_at(cfg, before.keys))[::-1]))


def follow_training_size(cfg: Config, set_by: SetBy) -> dict[str, Any]:
    """Set the sizes to which images are padded in training to that of the crops, unless they were set on purpose.

    Where nothing crops the images, but more specific settings pad them, batches are padded no further.

    Args:
        cfg: a detector's config.
        set_by: see :data:`~.sizes.SetBy`.

    Returns:
        What was changed, by its key.

    Raises:
        UserError: if both were set on purpose, and differ.
    """
    training = find_training_size(cfg, width_first=True)
    changed: dict[str, Any] = {}
    if training is None:
        if (padded := _padded_size(cfg)) is not None:
            for keys in _batch_pads(cfg):
                if set_by(padded.keys).rank > set_by(keys).rank:
                    changed.update(follow(cfg, padded, keys, set_by))
        return changed
    for keys in pads_after(cfg, training):
        changed.update(follow(cfg, training, keys, set_by, width_first=True))
    for keys in _batch_pads(cfg):
        changed.update(follow(cfg, training, keys, set_by))
    return changed


def describe_sizes(cfg: Config) -> str:
    """Describe the sizes of images in training and testing, in a line."""
    training, scale = find_training_size(cfg, width_first=True), scale_in_testing(cfg)
    sides = [side for side, _ in resized_sides(cfg)]
    crops = f'shorter sides of {min(sides)} to {max(sides)} pixels' if sides else 'images of any size'
    if training is not None:
        crops = f'images of {training.size}'
    tested = f'{min(scale)}, longer sides of at most {max(scale)}' if scale else 'any size'
    return f'{crops} in training, shorter sides of {tested}, in testing'


def scale_in_testing(cfg: Config) -> tuple[int, int] | None:
    """Return the size, in either order, that images fit into in testing, or None if there is none."""
    scales = (step.get('scale') for step in steps_of(cfg.test_dataloader.dataset))
    return next((tuple(scale) for scale in scales if isinstance(scale, list | tuple) and is_size(scale)), None)


def _switched_sizes(cfg: Config) -> Iterator[SizedStep | None]:
    """Yield the size of the images of each pipeline that a hook trains with from an epoch on."""
    for index, hook in enumerate(cfg.get('custom_hooks') or ()):
        if hook.get('switch_pipeline'):
            keys = ('custom_hooks', index, 'switch_pipeline')
            yield find_last_size(hook['switch_pipeline'], keys, width_first=True)


def _padded_size(cfg: Config) -> SizedStep | None:
    """Find the largest size to which the last steps of the training pipelines pad images."""
    found = []
    for parents, steps in find_pipelines(cfg.train_dataloader.dataset, ('train_dataloader', 'dataset')):
        pads = [index for index, step in enumerate(steps) if kind_of(step) == 'Pad' and is_size(step.get('size'))]
        if pads:
            found.append(SizedStep((*parents, pads[-1], 'size'), ImageSize(*as_size(steps[pads[-1]]['size'])[::-1])))
    return max(found, key=lambda step: step.size, default=None)


def _batch_pads(cfg: Config) -> list[Keys]:
    """Return the keys of the sizes to which the model pads all batches in training."""
    keys = ('model', 'data_preprocessor', 'batch_augments')
    augments = value_at(cfg, keys) or []
    return [(*keys, index, 'size') for index, one in enumerate(augments) if kind_of(one) == 'BatchFixedSizePad']
