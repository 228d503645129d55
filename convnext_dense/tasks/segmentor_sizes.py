"""Sizes of images in a segmentor's config: setting them all, keeping them equal, and describing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..io.image_size import ImageSize
from .config_parts import loaders
from .pipelines import as_size, is_size, scale_sizes
from .sizes import find_training_size, follow, pads_after, set_at, value_at
from .slide_window import close_gaps, follow_with_window, set_window

if TYPE_CHECKING:
    from mmengine.config import Config

    from .sizes import SetBy

PADDED_SIZE = ('model', 'data_preprocessor', 'size')
"""Keys of the size to which the crops are padded in training."""


def set_image_size(cfg: Config, size: ImageSize) -> None:
    """Set the size of the crops in training, and change all other sizes of a segmentor's config in proportion.

    Args:
        cfg: the config.
        size: height and width in pixels.

    Raises:
        UserError: if the training pipeline has no crop to set.
    """
    training = find_training_size(cfg)
    if training is None:
        raise UserError(
            f'--image-size {size.height} {size.width}: the training pipeline of this config has no crop to set'
        )
    factor = min(size) / min(training.size)

    def scaled(key: str, own: Any) -> Any:
        if key == 'crop_size':
            return tuple(size)
        sides = own if isinstance(own, tuple) else (own,)
        new = tuple(max(1, round(side * factor)) for side in sides)
        return new if isinstance(own, tuple) else new[0]

    scale_sizes([*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline')], scaled)
    for keys in pads_after(cfg, training):
        set_at(cfg, keys, tuple(size.transposed))
    if is_size(value_at(cfg, PADDED_SIZE)):
        set_at(cfg, PADDED_SIZE, tuple(size))
    window = cfg.model.get('test_cfg') or {}
    if is_size(window.get('crop_size')):
        set_window(window, size)


def follow_training_size(cfg: Config, set_by: SetBy) -> dict[str, Any]:
    """Set the padding and the window of slide inference to the crop in training; see :class:`.task_data.TaskData`."""
    changed, training = {}, find_training_size(cfg)
    if training is not None:
        for padding in pads_after(cfg, training):
            changed.update(follow(cfg, training, padding, set_by, width_first=True))
        changed.update(follow(cfg, training, PADDED_SIZE, set_by))
        changed.update(follow_with_window(cfg, training, set_by))
    return {**changed, **close_gaps(cfg, set_by)}


def describe_sizes(cfg: Config) -> str:
    """Describe the sizes of the images of a segmentor, in training and testing."""
    training, window = find_training_size(cfg), cfg.model.get('test_cfg') or {}
    crops = f'crops of {training.size}' if training else 'images of any size'
    padding = value_at(cfg, PADDED_SIZE)
    padded = f', padded to {as_size(padding)}' if is_size(padding) else ''
    own = window.get('crop_size') if window.get('mode') == 'slide' else None
    windows = f'windows of {as_size(own)}' if is_size(own) else 'whole images'
    return f'{crops} in training{padded}, {windows} in testing'
