"""Walk the pipelines of dense data sets' configs: their steps with sizes, and the step that reads the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UserError
from ..io.image_size import ImageSize
from .config_parts import loaders

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict

SIZED = ('scale', 'scales', 'img_scale', 'crop_size')
"""Keys of steps with sizes that follow the size of the images."""

ALBUMENTATIONS = ('Albumentations', 'Albu')
"""Steps that have transforms of the library Albumentations in them, whose settings have names of their own."""


class SizedStep(NamedTuple):
    """A step of a pipeline that gives all images one size."""

    keys: tuple[str | int, ...]
    """Keys of the size in the config, outermost first."""
    size: ImageSize


def steps_of(value: Any) -> Iterator[dict]:
    """Yield every step in a pipeline or in the pipelines of a data set, those inside others too, in their order."""
    if isinstance(value, dict):
        if 'type' in value:
            yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from steps_of(item)


def kind_of(step: dict) -> str:
    """Return the name of a step's class without its scope."""
    kind = step['type']
    return (kind if isinstance(kind, str) else kind.__name__).split('.')[-1]


def reading_steps(cfg: Config) -> list[dict]:
    """Return the steps ``convnext_dense.LoadImage`` of a config's pipelines, with that of test-time augmentation."""
    parts = [*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline') or []]
    return _reading(parts)


def tta_pipeline(cfg: Config, dataset: ConfigDict) -> list[dict]:
    """Return the pipeline of test-time augmentation for a data set, whose images it reads as the set's own one.

    Raises:
        UserError: if both set a ``value_range`` or ``page``, and they differ.
    """
    from copy import deepcopy

    pipeline = deepcopy(cfg.tta_pipeline)
    for key in ('value_range', 'page', 'max_pixels'):
        own = next((_fixed(step[key]) for step in _reading(dataset) if step.get(key)), None)
        for step in _reading(pipeline):
            given = _fixed(step.get(key))
            if given is not None and given != own and key != 'max_pixels':
                raise UserError(
                    f'--tta: the tta_pipeline of this config has the {key} {given}, and its test data '
                    f'{own or "none"}: set the same, or leave it out of tta_pipeline, which follows the data'
                )
            if own is not None:
                step[key] = own
    return pipeline


def _fixed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def _reading(parts: Any) -> list[dict]:
    return [step for step in steps_of(parts) if kind_of(step) == 'LoadImage']


def find_pipelines(dataset: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], list]]:
    """Yield the pipelines of a data set, and of those that it wraps, with their keys in the config."""
    if isinstance(dataset, dict):
        for key, value in dataset.items():
            if key == 'pipeline' and isinstance(value, list | tuple):
                yield (*keys, key), list(value)
            elif key in ('dataset', 'datasets'):
                yield from find_pipelines(value, (*keys, key))
    elif isinstance(dataset, list | tuple):
        for index, one in enumerate(dataset):
            yield from find_pipelines(one, (*keys, index))


def find_last_size(
    pipeline: Sequence[dict], keys: tuple[str | int, ...], width_first: bool = False
) -> SizedStep | None:
    """Find the last step of a pipeline that gives all images one size by cropping or resizing.

    A crop of a random size and a resize that keeps the aspect ratio give none.

    Args:
        pipeline: the steps.
        keys: the pipeline's keys in the config.
        width_first: sizes of crops are given width first, as in mmdet.
    """
    found = None
    for index, step in enumerate(pipeline):
        kind = kind_of(step)
        if kind in ('RandomCrop', 'CenterCrop'):
            fixed = step.get('crop_type', 'absolute') == 'absolute'
            key, size = 'crop_size', step.get('crop_size')
            if isinstance(size, list | tuple) and (width_first or kind == 'CenterCrop'):
                size = tuple(size)[::-1]
        elif kind == 'Resize':
            fixed, key = not step.get('keep_ratio', False), 'scale'
            size = step.get('scale')
            size = tuple(size)[::-1] if isinstance(size, list | tuple) else size  # width first
        elif kind in ('RandomResize', 'RandomChoiceResize', 'RandomChoice', 'RandomAffine', 'Mosaic'):
            fixed, key, size = False, '', None
        else:
            continue
        # a crop is a size of its own; a resize that keeps the ratio ends what was before it
        found = SizedStep((*keys, index, key), as_size(size)) if fixed and is_size(size) else None
    return found


def is_size(value: Any) -> bool:
    """Whether a value of a config is a size: a number, or two."""
    numbers = value if isinstance(value, list | tuple) else [value, value]
    return len(numbers) == 2 and all(isinstance(number, int) and number > 0 for number in numbers)


def as_size(value: Any) -> ImageSize:
    """Convert a number or two, height first, to a size."""
    return ImageSize(*(value if isinstance(value, list | tuple) else (value, value)))


def scale_sizes(parts: Any, scaled: Callable[[str, Any], Any]) -> None:
    """Replace each size in pipelines by ``scaled(key, size)``; a list of sizes is replaced one by one.

    Raises:
        UserError: if a step of Albumentations states a size in its own way.
    """
    foreign = {id(part) for step in steps_of(parts) if kind_of(step) in ALBUMENTATIONS for part in steps_of(step)}
    for step in list(steps_of(parts)):
        if id(step) in foreign:  # where scale is a factor
            stated = next((key for key in ('height', 'size', 'max_size', 'crop_size') if step.get(key)), None)
            if stated is not None:
                raise UserError(
                    f'the size of the images can not be set, since {kind_of(step)} of Albumentations states its own '
                    f'({stated}={step[stated]}): change that in the config, or crop with a step outside of it'
                )
            continue
        for key in SIZED:
            value = step.get(key)
            if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple):
                step[key] = [scaled(key, tuple(size)) for size in value]
            elif value is not None:
                step[key] = scaled(key, tuple(value) if isinstance(value, list) else value)


def resized_scales(dataset: Any) -> list[tuple[tuple[int, int], float]]:
    """List the sizes, shorter side first, that the last resize in a data set's pipelines draws from.

    Each is with the mean factor that it is multiplied by. An image of a mosaic is half as wide and as high as the
    mosaic.
    """
    found: list[tuple[tuple[int, int], float]] = []
    of_canvas = 1.0
    for step in steps_of(dataset):
        if kind_of(step) in ('Mosaic', 'CachedMosaic'):
            of_canvas = 0.5
        if 'Resize' not in kind_of(step):
            continue
        scales = step.get('scales') or step.get('scale')
        scales = scales if isinstance(scales, list | tuple) and scales and not isinstance(scales[0], int) else [scales]
        drawn = [as_size(scale) for scale in scales if is_size(scale)]
        share = step.get('ratio_range') or (1.0, 1.0)
        found = [((min(size), max(size)), of_canvas * (share[0] + share[1]) / 2) for size in drawn] or found
    return found


def resized_sides(cfg: Config) -> list[tuple[int, float]]:
    """List the shorter sides that the last resize of the training pipelines draws from, each with a mean factor."""
    if cfg.get('train_dataloader') is None:
        return []
    return [(short, share) for (short, _), share in resized_scales(cfg.train_dataloader.dataset)]


def mean_side(cfg: Config) -> float | None:
    """Return the shorter side that training resizes images to on average, in pixels; None if it does not."""
    sides = [side * factor for side, factor in resized_sides(cfg)]
    return sum(sides) / len(sides) if sides else None
