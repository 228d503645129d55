"""How timm, transformers, open_clip and torchvision say how images are prepared, in terms of our own record.

Each function returns the attributes of :class:`~.preprocessing.Preprocessing` that are known, which are checked there.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from ..errors import UserError

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
CLIP_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)  # OPENAI_CLIP_MEAN of timm.data.constants, whose import is slow
CLIP_STD: Final = (0.26862954, 0.26130258, 0.27577711)
CENTER, SQUASH, BORDER = 'center', 'squash', 'border'  # timm's modes of cropping
TRANSFORMERS = 'transformers'
CROP_MODES = (CENTER, SQUASH, BORDER, TRANSFORMERS)
INTERPOLATIONS = ('nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming')
"""Names of timm's, in the order of Pillow's numbers."""


def read_json(file: Path) -> dict:
    """Read a JSON file that has a dict.

    Raises:
        UserError: if it has none.
    """
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f'{file} is not a JSON file with a dict: download it again, or take other weights')
    return content


def told_by_timm(content: dict, file: Path, channels: int) -> dict[str, Any] | None:
    """Read a ``config.json`` of timm's, also of the older layout without ``pretrained_cfg``."""
    told = content.get('pretrained_cfg', content if 'architecture' in content else None)
    if told is None:
        return None
    if not isinstance(told, dict):
        raise UserError(f'{file}: pretrained_cfg is not a dict: take other weights')
    size = told.get('input_size')
    if size is not None and not (isinstance(size, list | tuple) and len(size) == 3):
        raise UserError(f'{file}: input_size is {size!r}: it must be channels, height and width')
    from timm.data import resolve_data_config  # here, because timm takes seconds to import

    told = {key: value for key, value in told.items() if value is not None}
    if not told:
        return None
    if channels != 3:  # timm's default has three
        told = {'mean': 0.5, 'std': 0.5, **told}
    resolved = resolve_data_config(pretrained_cfg=told)
    return dict(
        mean=resolved['mean'],
        std=resolved['std'],
        input_size=resolved['input_size'][1:],
        crop_ratio=resolved['crop_pct'],
        interpolation=resolved['interpolation'],
        crop_mode=resolved['crop_mode'],
    )


def told_by_transformers(content: dict, file: Path) -> dict[str, Any] | None:
    """Read a ``preprocessor_config.json``: of a ``ConvNextImageProcessor`` or of another image processor."""
    kind = str(content.get('image_processor_type', content.get('feature_extractor_type', '')))
    is_convnexts = kind.lower().startswith('convnext')
    default = 0.5 if is_convnexts else None  # IMAGENET_STANDARD_MEAN and _STD of transformers' image_utils
    mean, std = content.get('image_mean', default), content.get('image_std', default)
    if content.get('do_normalize') is False:
        mean, std = 0.0, 1.0
    if mean is None or std is None:
        return None
    scale = 1.0 if content.get('do_rescale') is False else content.get('rescale_factor', 1 / 255)
    if not is_number(scale) or scale <= 0:
        raise UserError(f'{file}: rescale_factor is {scale!r}: it must be above 0')
    if not math.isclose(scale * 255, 1, rel_tol=1e-3):
        mean, std = (_divided(values, 255 * scale, file) for values in (mean, std))
    told = {} if content.get('do_resize') is False else _size_of_transformers(content, is_convnexts, file)
    resample = content.get('resample', 3 if is_convnexts else None)
    if isinstance(resample, int) and 0 <= resample < len(INTERPOLATIONS):
        resample = INTERPOLATIONS[resample]
    return dict(mean=mean, std=std, interpolation=resample, **told)


def _size_of_transformers(content: dict, is_convnexts: bool, file: Path) -> dict[str, Any]:
    size, crop = content.get('size'), content.get('crop_size')
    if isinstance(crop, int):
        crop = {'height': crop, 'width': crop}
    if isinstance(size, int):
        size = {'shortest_edge': size}
    if size is None:
        return {}
    if not isinstance(size, dict) or (crop is not None and not isinstance(crop, dict)):
        raise UserError(f'{file}: size is {size!r}: it must name shortest_edge, or height and width')
    side, crops = size.get('shortest_edge'), content.get('do_center_crop') and crop
    if is_convnexts and side:
        ratio = content.get('crop_pct')
        return dict(input_size=(side, side), crop_ratio=224 / 256 if ratio is None else ratio, crop_mode=TRANSFORMERS)
    if not crops:
        is_fixed = {'height', 'width'} <= size.keys()
        squashed = dict(input_size=(size.get('height'), size.get('width')), crop_ratio=1.0, crop_mode=SQUASH)
        return squashed if is_fixed else {}
    inner, mode = (crops.get('height'), crops.get('width')), CENTER if side else SQUASH
    outer: Any = side or size.get('height')
    if not all(map(is_whole, (*inner, outer))):
        raise UserError(f'{file}: size is {size!r} and crop_size {crop!r}: they must be whole numbers')
    return dict(input_size=inner, crop_ratio=min(1.0, inner[0] / outer), crop_mode=mode)


def told_by_open_clip(content: dict, file: Path) -> dict[str, Any]:
    """Read an ``open_clip_config.json``, with the defaults of open_clip's ``PreprocessCfg``."""
    told, model = content.get('preprocess_cfg') or {}, content.get('model_cfg') or {}
    vision = model.get('vision_cfg') if isinstance(model, dict) else None
    if not isinstance(told, dict) or not isinstance(vision, dict):
        raise UserError(f'{file} is not the config of a model of open_clip: take other weights')
    size = vision.get('image_size', told.get('size'))  # as in open_clip, where the network's own comes first
    mode = told.get('resize_mode') or 'shortest'
    modes = {'shortest': CENTER, 'longest': BORDER, 'squash': SQUASH}
    if mode not in modes:
        raise UserError(f'{file}: resize_mode is {mode!r}: it must be one of {", ".join(modes)}')
    interpolation = told.get('interpolation') or 'bicubic'
    return dict(
        mean=CLIP_MEAN if told.get('mean') is None else told['mean'],
        std=CLIP_STD if told.get('std') is None else told['std'],
        input_size=(size, size) if isinstance(size, int) else size,
        crop_ratio=1.0,
        interpolation='bicubic' if interpolation == 'random' else interpolation,  # as in its test
        crop_mode=modes[mode],
        border=told.get('fill_color', 0) if mode == 'longest' else None,
    )


def told_by_torchvision(size: str | None) -> dict[str, Any] | None:
    """Return the preset of torchvision's own weights of a size, such as ``'tiny'``; None for one that it has not."""
    from torchvision import models

    weights: Any = getattr(models, f'ConvNeXt_{str(size).title()}_Weights', None)
    if weights is None:
        return None
    preset = weights.DEFAULT.transforms()
    (side,), (resized,) = preset.crop_size, preset.resize_size
    return dict(
        mean=preset.mean,
        std=preset.std,
        input_size=(side, side),
        crop_ratio=side / resized,
        interpolation=preset.interpolation.value,
        crop_mode=CENTER,
    )


def _divided(values: Any, factor: float, file: Path) -> Any:
    if is_number(values):
        return values / factor
    if not isinstance(values, list) or not all(map(is_number, values)):
        raise UserError(f'{file}: mean or std is {values!r}: it must be finite numbers')
    return [value / factor for value in values]


def is_number(value: Any) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
