"""What the config in a checkpoint of mmdet, mmseg, mmpretrain or this package tells of images, network and weights.

Such a checkpoint keeps its config as text, which is parsed here and never run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

PILLOW = 'pillow'
"""The backend of mmcv's resizing that computes what timm's does; OpenCV's has no antialiasing."""


def preparation_in(text: str) -> dict[str, Any] | None:
    """Find how the config of a checkpoint prepares images.

    mmengine's configs have mean and std in ``data_preprocessor``, those before it in ``img_norm_cfg`` or in a step
    ``Normalize``. A classifier's size, crop ratio and interpolation are in the pipeline for testing.

    Args:
        text: the config.

    Returns:
        ``mean`` and ``std`` of values from 0 to 1, in the order of the network's channels, ``bgr``, True if that is
        BGR, and of the other attributes of :class:`~.preprocessing.Preprocessing` those that are known; None if there
        is no mean, or the text can't be read.
    """
    config = _parsed(text)
    if config is None:
        return None
    pipelines = list(_all(config.get('test_dataloader'), 'pipeline')) + list(_all(config.get('data'), 'pipeline'))
    steps = [step for pipeline in pipelines if isinstance(pipeline, list) for step in pipeline if _is_dict(step)]
    candidates = [_get(config.get('model'), 'data_preprocessor'), config.get('data_preprocessor')]
    candidates += [config.get('img_norm_cfg'), *(step for step in steps if step.get('type') == 'Normalize')]
    told = next((one for one in candidates if _is_dict(one) and one.get('mean') and one.get('std')), None)
    if told is None:
        return None
    mean, std = _scaled(told['mean']), _scaled(told['std'])
    flags = [told.get(key) for key in ('bgr_to_rgb', 'rgb_to_bgr', 'to_rgb')]
    bgr = not any(flags)  # images are read as BGR
    return {'mean': mean, 'std': std, 'bgr': bgr, **_crop_of(pipelines[-1] if pipelines else None)}


def _crop_of(pipeline: Any) -> dict[str, Any]:
    """The size, crop ratio, crop mode and interpolation of a classifier's pipeline; nothing for other pipelines."""
    steps = [step for step in pipeline if _is_dict(step)] if isinstance(pipeline, list) else []
    kinds = {str(step.get('type')).rsplit('.', 1)[-1]: step for step in steps}
    resize, crop = kinds.get('ResizeEdge') or kinds.get('Resize') or {}, kinds.get('CenterCrop') or {}
    if not {'PackInputs', 'PackClsInputs', 'ImageToTensor'} & kinds.keys() or resize.get('backend') != PILLOW:
        return {}
    scale, side = resize.get('scale', resize.get('size')), crop.get('crop_size')
    is_edge = 'ResizeEdge' in kinds or (isinstance(scale, list) and scale[1:] == [-1])
    scale = scale[0] if is_edge and isinstance(scale, list) else scale
    interpolation = resize.get('interpolation', 'bilinear')
    if is_edge and isinstance(scale, int) and isinstance(side, int) and 0 < side <= scale:
        size = (side, side)
        return dict(input_size=size, crop_ratio=side / scale, crop_mode='center', interpolation=interpolation)
    if not is_edge and not crop and isinstance(scale, int | list):
        size = (scale, scale) if isinstance(scale, int) else tuple(scale[::-1])  # mmcv's are width first
        return dict(input_size=size, crop_ratio=1.0, crop_mode='squash', interpolation=interpolation)
    return {}


def initial_weights(text: str) -> list[str] | None:
    """Find the weights that a run of this package started from, by its config; None if the text can't be read.

    ``load_from`` is not among them where the run is a continued one, whose own checkpoint it names.
    """
    config = _parsed(text)
    if config is None:
        return None
    named = [config.get('pretrained'), None if config.get('resume') else config.get('load_from')]
    named += _all(config.get('model'), 'checkpoint')  # of init_cfg
    return [name for name in named if isinstance(name, str)]


def backbone_in(text: str) -> dict[str, Any] | None:
    """Return the outermost backbone in the model of a config; None if it has none, or the text can't be read."""
    backbones = _all((_parsed(text) or {}).get('model'), 'backbone')
    return next((dict(backbone) for backbone in backbones if _is_dict(backbone)), None)


def _parsed(text: str) -> dict[str, Any] | None:
    """The variables of a config, None for values that are no literals; None if the text can't be read."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    return {ast.unparse(one.targets[0]): _value(one.value) for one in body if isinstance(one, ast.Assign)}


def _value(node: ast.expr) -> Any:
    """The value of an expression of literals and ``dict(...)``; None for what is more."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        inside = _value(node.args[0]) if node.args else {}
        own = {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}
        return {**(inside if _is_dict(inside) else {}), **own}
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError):
        return None


def _all(value: Any, key: str) -> Iterator[Any]:
    """Yield all values of a key in nested containers."""
    if _is_dict(value):
        if key in value:
            yield value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _all(item, key)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if _is_dict(value) else None


def _is_dict(value: Any) -> bool:
    return isinstance(value, Mapping)


def _scaled(values: Any) -> Any:
    """Divide levels from 0 to 255 by 255; what are no numbers stays, to be refused by what takes them."""
    if isinstance(values, list) and all(isinstance(value, int | float) for value in values):
        scaled = [round(value / 255, 9) for value in values]
        return scaled if len(scaled) > 1 else scaled[0]  # one is for all channels
    return values


def value_in_config(config: str, key: str) -> object:
    """Return the value of a top-level key in the text of a config; None if it is absent or no literal."""
    found = re.search(rf'^{key} = (.+)$', config, re.MULTILINE)
    try:
        return ast.literal_eval(found[1]) if found else None
    except (SyntaxError, ValueError):
        return None
