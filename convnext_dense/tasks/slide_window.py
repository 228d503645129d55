"""The window of slide inference, which follows the crops in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..io.image_size import ImageSize
from .pipelines import SizedStep, as_size, is_size
from .sizes import dotted, value_at

if TYPE_CHECKING:
    from mmengine.config import Config

    from .sizes import SetBy

WINDOW = ('model', 'test_cfg')
"""Keys of the window of slide inference: its ``crop_size`` and ``stride``."""


def set_window(window: dict, size: ImageSize) -> None:
    """Set the window of slide inference, whose stride keeps its share of it."""
    own, stride = window['crop_size'], window.get('stride')
    if is_size(stride):
        shares = zip(size, as_size(stride), as_size(own), strict=True)
        window['stride'] = tuple(max(1, round(new * step / old)) for new, step, old in shares)
    window['crop_size'] = tuple(size)


def follow_with_window(cfg: Config, training: SizedStep, set_by: SetBy) -> dict[str, Any]:
    """Set the window of slide inference to the crop in training, unless the window was set as specifically."""
    window = value_at(cfg, WINDOW) or {}
    own, stride = window.get('crop_size'), window.get('stride')
    if not is_size(own) or as_size(own) == training.size:
        return {}
    crop_set = set_by(training.keys)
    if set_by((*WINDOW, 'crop_size')).overrides(crop_set):
        return {}
    set_window(window, training.size)
    if set_by((*WINDOW, 'stride')).overrides(crop_set):
        window['stride'] = stride
    return {dotted((*WINDOW, key)): window.get(key) for key in ('crop_size', 'stride')}


def close_gaps(cfg: Config, set_by: SetBy) -> dict[str, Any]:
    """Shorten a stride that is longer than the window, which would leave pixels out.

    Raises:
        UserError: if the stride was set as specifically as the window.
    """
    window = value_at(cfg, WINDOW) or {}
    if not is_size(window.get('crop_size')) or not is_size(window.get('stride')):
        return {}
    crop, stride = as_size(window['crop_size']), as_size(window['stride'])
    if stride.height <= crop.height and stride.width <= crop.width:
        return {}
    if set_by((*WINDOW, 'stride')).rank >= set_by((*WINDOW, 'crop_size')).rank:
        raise UserError(
            f'model.test_cfg.stride is {stride} and model.test_cfg.crop_size {crop}: windows this far apart leave '
            'pixels out, take a smaller stride'
        )
    window['stride'] = tuple(max(1, side * 2 // 3) for side in crop)  # as in the recipes
    return {dotted((*WINDOW, 'stride')): window['stride']}
