"""Settings that ``tune`` searches: their ranges around a config's own values, and what changes a config to a value.

:data:`SETTINGS` is the table of all. Which of them a config has is for the task to say
(:meth:`~convnext_dense.tasks.base.Task.tuned_settings`). Imports neither torch nor mmengine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from .pipelines import find_pipelines, is_size, kind_of

if TYPE_CHECKING:
    from mmengine.config import Config

Options = dict[str, Any]
"""Changes of a config by nested keys, as ``--cfg-options`` takes them."""

DIGITS = 4
"""Significant digits of the values that are tried."""


@dataclass(frozen=True)
class Setting:
    """A setting that can be searched.

    Attributes:
        meaning: what it is.
        range_words: its range around a config's own value, in words.
        around: that range, as (low, high), of the own value.
        least: smallest possible value.
        most: largest possible value.
        log: it is sampled by its logarithm, and is above 0.
        whole: it is a whole number.
    """

    meaning: str
    range_words: str
    around: Callable[[float], tuple[float, float]]
    least: float
    most: float
    log: bool = False
    whole: bool = False


def _limited(least: float, most: float, below: float, above: float) -> Callable[[float], tuple[float, float]]:
    """Return the range around an own value within limits, which an own value beyond them extends."""
    return lambda own: (round(max(min(least, own), own - below), 6), round(min(max(most, own), own + above), 6))


SETTINGS: dict[str, Setting] = {
    'lr': Setting('learning rate', 'own / 10 to own x 10', lambda own: (own / 10, own * 10), 0.0, 100.0, log=True),
    'layer_decay': Setting(
        "factor on the backbone's lr from layer to layer (1: one lr for all)",
        'own - 0.2 to own + 0.2, within 0.3 to 1',
        _limited(0.3, 1.0, 0.2, 0.2),
        0.01,
        1.0,
    ),
    'drop_path': Setting(
        'stochastic depth of the backbone',
        'own - 0.2 to own + 0.2, within 0 to 0.9',
        _limited(0.0, 0.9, 0.2, 0.2),
        0.0,
        0.99,
    ),
    'weight_decay': Setting(
        'weight decay', 'own / 10 to own x 10', lambda own: (own / 10, own * 10), 0.0, 10.0, log=True
    ),
    'randaugment': Setting(
        'magnitude of RandAugment',
        'own - 6 to own + 6, within 0 to 15',
        _limited(0, 15, 6, 6),
        0,
        30,
        whole=True,
    ),
    'mixup': Setting('share of batches with Mixup or CutMix', '0 to 1', lambda own: (0.0, 1.0), 0.0, 1.0),
    'erasing': Setting('share of images with random erasing', '0 to 0.5', lambda own: (0.0, max(0.5, own)), 0.0, 1.0),
    'scale_jitter': Setting(
        "spread of the sizes that images are resized to, as a factor on the config's (0: one size)",
        '0 to 1.5',
        lambda own: (0.0, 1.5),
        0.0,
        3.0,
    ),
    'color_jitter': Setting(
        "strength of the changes of color, as a factor on the config's (0: next to none)",
        '0 to 2',
        lambda own: (0.0, 2.0),
        0.0,
        2.0,
    ),
}
"""All settings that can be searched, by their names in ``--search``."""


@dataclass(frozen=True)
class Tuned:
    """A setting of a config.

    Attributes:
        own: its value in the config.
        change: returns the options that set it to a value.
        by_default: it is searched without being named.
        why_not: why it is not.
    """

    own: float
    change: Callable[[float], Options]
    by_default: bool = True
    why_not: str = ''

    def options(self, value: float) -> Options:
        """Return the options that set it to a value: none for the config's own."""
        return {} if value == self.own else self.change(value)


def rounded(value: float) -> float:
    """Round to :data:`DIGITS` significant digits."""
    return float(f'{value:.{DIGITS}g}')


def optimizer_settings(cfg: Config, starts_from_weights: bool) -> Iterator[tuple[str, Tuned]]:
    """Yield the settings of a config's optimizer and backbone.

    Layer decay that the config does not have is one of them where this project's optimizer constructor can have it; it
    is searched by default for runs that start from weights.

    Args:
        cfg: the config.
        starts_from_weights: the run starts from pretrained weights.
    """
    wrapper = cfg.get('optim_wrapper') or {}
    optimizer = wrapper.get('optimizer') or {}
    for name in ('lr', 'weight_decay'):
        own = optimizer.get(name)
        if _is_number(own) and (own > 0 or name != 'lr'):
            key = f'optim_wrapper.optimizer.{name}'
            yield name, Tuned(own, _setter(key), by_default=own > 0, why_not='it is 0')
    rules = wrapper.get('paramwise_cfg') or {}
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    rate = rules.get('decay_rate')
    if _is_number(rate):
        yield 'layer_decay', Tuned(rate, _setter('optim_wrapper.paramwise_cfg.decay_rate'))
    elif _is_ours(wrapper.get('constructor'), 'LayerDecayConstructor') and _is_ours(backbone.get('type'), 'ConvNeXt'):

        def decay(value: float) -> Options:
            start = 'optim_wrapper.paramwise_cfg'
            if rules or isinstance(wrapper.get('paramwise_cfg'), dict):
                return {f'{start}.decay_rate': value, f'{start}.scheme': 'layer_wise'}
            return {start: dict(decay_rate=value, scheme='layer_wise')}

        why_not = 'for runs that start from weights'
        yield 'layer_decay', Tuned(1.0, decay, by_default=starts_from_weights, why_not=why_not)
    rate = backbone.get('drop_path_rate', 0.0 if _is_ours(backbone.get('type'), 'ConvNeXt') else None)
    if _is_number(rate):
        yield 'drop_path', Tuned(rate, _setter('model.backbone.drop_path_rate'))


def pipeline_settings(cfg: Config) -> Iterator[tuple[str, Tuned]]:
    """Yield the settings of a dense config's augmentation: those whose steps its training pipelines have."""
    steps = list(_training_steps(cfg))
    scales = [(key, step) for key, step in steps if _has_scales(step)]
    if scales:
        yield 'scale_jitter', Tuned(1.0, lambda value: _merged(_scaled(key, step, value) for key, step in scales))
    colors = [(key, step) for key, step in steps if kind_of(dict(step)) in _COLORS]
    if colors:
        yield 'color_jitter', Tuned(1.0, lambda value: _merged(_colored(key, step, value) for key, step in colors))


def image_settings(cfg: Config) -> Iterator[tuple[str, Tuned]]:
    """Yield the settings of a classification config's augmentation, timm's and Mixup."""
    mixup = (cfg.get('model') or {}).get('mixup')
    if mixup:
        yield 'mixup', Tuned(mixup.get('prob', 1.0), _setter('model.mixup.prob'))
    dataset = cfg.train_dataloader.dataset if cfg.get('train_dataloader') else {}
    transform = dataset.get('transform')
    if not isinstance(transform, dict):
        return
    key = 'train_dataloader.dataset.transform'
    policy = transform.get('auto_augment')
    found = re.search(r'(?<=-m)\d+', policy) if isinstance(policy, str) and policy.startswith('rand') else None
    if found is not None:
        text, place = str(policy), found

        def magnitude(value: float) -> Options:
            return {f'{key}.auto_augment': f'{text[: place.start()]}{value:.0f}{text[place.end() :]}'}

        yield 'randaugment', Tuned(int(found[0]), magnitude)
    yield 'erasing', Tuned(transform.get('re_prob', 0.0), _setter(f'{key}.re_prob'))


def written(value: Any) -> str:
    """Write the value of an option as the command line takes it: without spaces."""
    if isinstance(value, dict):
        return 'dict(' + ','.join(f'{key}={written(one)}' for key, one in value.items()) + ')'
    if isinstance(value, list | tuple):
        inner = ','.join(map(written, value))
        return f'[{inner}]' if isinstance(value, list) else f'({inner},)' if len(value) == 1 else f'({inner})'
    return f'{value:.10g}' if isinstance(value, float) else str(value)


def _setter(key: str) -> Callable[[float], Options]:
    return lambda value: {key: value}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_ours(kind: Any, name: str) -> bool:
    return isinstance(kind, str) and kind in (name, f'convnext_dense.{name}')


def _merged(parts: Iterator[Options]) -> Options:
    return {key: value for part in parts for key, value in part.items()}


# -- Pipelines


def _training_steps(cfg: Config) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each step of the training pipelines with its key, and of those that a hook switches to."""
    if not cfg.get('train_dataloader'):
        return
    pipelines = list(find_pipelines(cfg.train_dataloader.dataset, ('train_dataloader', 'dataset')))
    for index, hook in enumerate(cfg.get('custom_hooks') or ()):
        if isinstance(hook.get('switch_pipeline'), list | tuple):
            pipelines.append((('custom_hooks', index, 'switch_pipeline'), list(hook['switch_pipeline'])))
    for keys, pipeline in pipelines:
        yield from _steps_in(pipeline, keys)


def _steps_in(value: Any, keys: tuple[str | int, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        if 'type' in value:
            yield '.'.join(map(str, keys)), value
        for key in ('transforms',):
            if key in value:
                yield from _steps_in(value[key], (*keys, key))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _steps_in(one, (*keys, index))


def _has_scales(step: Mapping[str, Any]) -> bool:
    kind = kind_of(dict(step))
    if kind == 'RandomResize':
        low, high = step.get('ratio_range') or (1, 1)
        return bool(0 < low < high)
    return kind == 'RandomChoiceResize' and len(_sides(step)) > 1


def _sides(step: Mapping[str, Any]) -> Sequence[tuple[int, int]]:
    """Return the sizes that a step draws from, if they differ in their shorter sides."""
    scales = step.get('scales') or ()
    if not isinstance(scales, list | tuple) or not all(
        isinstance(one, list | tuple) and is_size(one) for one in scales
    ):
        return ()
    return [tuple(one) for one in scales] if len({min(one) for one in scales}) > 1 else ()


def _scaled(key: str, step: Mapping[str, Any], spread: float) -> Options:
    """Return the options by which the logarithms of a step's scales are spread by a factor around their mean."""
    if kind_of(dict(step)) == 'RandomResize':
        return {f'{key}.ratio_range': tuple(rounded(ratio**spread) for ratio in step['ratio_range'])}
    sizes = _sides(step)
    shorts = [min(size) for size in sizes]
    center = math.exp(sum(map(math.log, shorts)) / len(shorts))
    scales = []
    for size, short in zip(sizes, shorts, strict=True):
        new = max(1, min(max(size), round(center * (short / center) ** spread)))
        scales.append((new, max(size)) if size[0] == short else (max(size), new))
    return {f'{key}.scales': list(dict.fromkeys(scales))}


_PHOTOMETRIC = dict(brightness_delta=32, contrast_range=(0.5, 1.5), saturation_range=(0.5, 1.5), hue_delta=18)
_COLORS: dict[str, dict[str, Any]] = {
    'PhotoMetricDistortion': _PHOTOMETRIC,
    'YOLOXHSVRandomAug': dict(hue_delta=5, saturation_delta=30, value_delta=30),
}
"""Steps that change colors, with their arguments by default in mmdet and mmseg."""


def _colored(key: str, step: Mapping[str, Any], strength: float) -> Options:
    """Return the options by which a step changes colors by a factor more than it does.

    This project's PhotoMetricDistortion has the default strength only, and becomes mmseg's.
    """
    options: Options = {}
    for name, default in _COLORS[kind_of(dict(step))].items():
        own = step.get(name, default)
        if isinstance(own, list | tuple):
            options[f'{key}.{name}'] = tuple(rounded(max(0.0, 1 + (edge - 1) * strength)) for edge in own)
        else:
            options[f'{key}.{name}'] = max(1, round(own * strength))  # mmseg draws whole numbers below it
    if _is_ours(step['type'], 'PhotoMetricDistortion'):
        options[f'{key}.type'] = 'mmseg.PhotoMetricDistortion'
    return options
