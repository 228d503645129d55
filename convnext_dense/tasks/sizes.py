"""Keep settings of a config that state one size equal, and set them all to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize
from .pipelines import SizedStep, as_size, find_last_size, find_pipelines, is_size, kind_of

if TYPE_CHECKING:
    from mmengine.config import Config

Keys = tuple[str | int, ...]


class Precedence(NamedTuple):
    """How specifically a value of a config was set: the higher the rank, the more specifically."""

    rank: int
    place: str

    def overrides(self, other: Precedence) -> bool:
        """Whether a value set here stands against one set there on purpose: later, or in the same place."""
        return self.rank > other.rank or self == other


SetBy = Callable[[Keys], Precedence]
"""Function that returns where the value at nested keys was set."""


def check_image_size(size: ImageSize) -> None:
    """Raise a UserError for a size that no network takes."""
    if min(size) < TOTAL_STRIDE:
        raise UserError(f'--image-size {size.height} {size.width}: take sides of at least {TOTAL_STRIDE} pixels')


def dotted(keys: Sequence[str | int]) -> str:
    """Join keys in the notation of ``--cfg-options``."""
    return '.'.join(map(str, keys))


def value_at(cfg: Config | Mapping[str, Any], keys: Keys) -> Any:
    """Return the value of a config at nested keys, or None if there is none."""
    value: Any = cfg
    for key in keys:
        if isinstance(value, list | tuple):
            if not isinstance(key, int) or key >= len(value):
                return None
            value = value[key]
        elif value is None or value.get(key) is None:
            return None
        else:
            value = value[key]
    return value


def set_at(cfg: Config, keys: Keys, value: Any) -> None:
    """Set the value of a config at nested keys, whose parents exist."""
    value_at(cfg, keys[:-1])[keys[-1]] = value


def find_training_size(cfg: Config, width_first: bool = False) -> SizedStep | None:
    """Find the step of the training pipelines that gives all images their last size; of several, the largest size.

    Args:
        cfg: the config.
        width_first: sizes of crops are given width first, as in mmdet.
    """
    loader = cfg.get('train_dataloader')
    if loader is None:
        return None
    found = [
        find_last_size(pipeline, keys, width_first)
        for keys, pipeline in find_pipelines(loader.dataset, ('train_dataloader', 'dataset'))
    ]
    return max((step for step in found if step), key=lambda step: step.size, default=None)


def pads_after(cfg: Config, leader: SizedStep) -> list[Keys]:
    """Return the keys of the sizes, width first, to which steps after a crop pad it."""
    *parents, index, _ = leader.keys
    steps = value_at(cfg, tuple(parents))
    assert isinstance(index, int)
    return [
        (*parents, place, 'size')
        for place, step in enumerate(steps)
        if place > index and kind_of(step) == 'Pad' and is_size(step.get('size'))
    ]


def follow(cfg: Config, leader: SizedStep, follower: Keys, set_by: SetBy, width_first: bool = False) -> dict[str, Any]:
    """Set a size to that of the images in training, unless it was set on purpose.

    Args:
        cfg: the config.
        leader: the size of the images in training.
        follower: keys of another size that must be equal; nothing happens without it.
        set_by: see :data:`SetBy`.
        width_first: the follower is given width first.

    Returns:
        What was changed, by its key.

    Raises:
        UserError: if both were set on purpose, and differ.
    """
    own = value_at(cfg, follower)
    if not is_size(own):
        return {}
    size = ImageSize(*as_size(own)[::-1]) if width_first else as_size(own)
    if size == leader.size:
        return {}
    if set_by(follower).overrides(set_by(leader.keys)):
        raise UserError(
            f'{dotted(follower)} is {size} and {dotted(leader.keys)} {leader.size}, which state one size: '
            'leave out the first, or set both with --image-size H W'
        )
    value = leader.size.transposed if width_first else leader.size
    set_at(cfg, follower, tuple(value))
    return {dotted(follower): tuple(value)}
