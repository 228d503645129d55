"""How images were prepared for the network that weights were trained in.

It is read from what stands in the weights or beside them: the metadata of checkpoints of this package, timm's
``config.json``, transformers' ``preprocessor_config.json``, open_clip's ``open_clip_config.json``, the config in
checkpoints of mmdet, mmseg and mmpretrain, and the presets of torchvision for its own files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import UserError
from ..io.band_choice import BandInput
from .config_text import preparation_in
from .fetch import HUB_CONFIG, HUB_FILES, HUB_PREPROCESSOR, OPEN_CLIP_CONFIG, OPEN_CLIP_FILES
from .formats import HF, HF_DINOV3, TIMM, TIMM_FEATURES, TORCHVISION, detect_arch
from .published_preprocessing import (
    CLIP_MEAN,
    CLIP_STD,
    CROP_MODES,
    IMAGENET_MEAN,
    IMAGENET_STD,
    INTERPOLATIONS,
    is_number,
    is_whole,
    read_json,
    told_by_open_clip,
    told_by_timm,
    told_by_torchvision,
    told_by_transformers,
)

if TYPE_CHECKING:
    from torch import Tensor

LEVELS: Final = 255  # the largest value of the 8-bit images that models of mmdet and mmseg normalize
TOLERANCE = 1e-5  # of equal means and standard deviations; an 8-bit level is 4e-3

KEY: Final = 'preprocessing'
"""Key in a checkpoint's meta."""
KEPT: Final = 'the checkpoint'
"""The source of what is kept there, for messages."""
OPEN_CLIP_TRUNK = 'visual.trunk.'  # in front of the names of the backbone in open_clip's files
HIDDEN_LAYER = 'head.pre_logits.fc.weight'  # in timm's convnext_large_mlp
WARP_FROM = 384  # pixels: from this size up, ConvNeXt's official test and transformers' warp images to a square
TELLING_WORDS = {
    r'clip|openai|laion\w*': ("CLIP's", (CLIP_MEAN, CLIP_STD)),
    r'zepto|rms|r160': ("some of timm's", ((0.5,) * 3, (0.5,) * 3)),
}
"""Words in names of files, and whose normalization they hint at (timm 1.0, ``models/convnext.py``)."""


@dataclass(frozen=True)
class Preprocessing:
    """How images were prepared for the network that weights were trained in.

    Attributes:
        mean, std: of each channel, RGB, of values from 0 to 1; of bands as they are stored, where there are ``bands``.
        input_size: height and width in evaluation, in pixels, or None if unknown.
        crop_ratio: share of the resized image's shorter side that the crop keeps in evaluation, in (0, 1], or None.
        interpolation: a name of timm's, such as ``'bicubic'``, or None.
        crop_mode: timm's ``'center'``, ``'squash'`` or ``'border'``; ``'transformers'``, which crops the center with
            odd margins rounded down, and squashes from 384 pixels up; or None.
        source: the file or format that tells it, for messages.
        border: level of the border in crop mode ``'border'``, 0 to 255; None for the mean.
        bgr: the network takes BGR; mean and std are RGB nevertheless.
        bands: the bands of images that the network takes as stored; None for RGB of 8 bits.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_size: tuple[int, int] | None = None
    crop_ratio: float | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    source: str = ''
    border: int | None = None
    bgr: bool = False
    bands: BandInput | None = None

    def __str__(self) -> str:
        known = {(IMAGENET_MEAN, IMAGENET_STD): "ImageNet's", (CLIP_MEAN, CLIP_STD): "CLIP's"}
        whose = next((name for values, name in known.items() if _close((self.mean, self.std), values)), '')
        texts = (' '.join(f'{value:.4g}' for value in values) for values in (self.mean, self.std))
        of = f', of {self.bands} as stored' if self.bands else f' ({whose})' if whose else ''
        return 'mean {}, std {}'.format(*texts) + of + (', BGR' if self.bgr else '')

    @property
    def is_imagenets(self) -> bool:
        """Whether mean and std are ImageNet's."""
        return self.normalizes_like(IMAGENETS)

    def normalizes_like(self, other: Preprocessing) -> bool:
        """Whether mean, std and the order of the channels are the same, up to rounding."""
        same = self.bgr == other.bgr and self.takes == other.takes
        return same and _close((self.mean, self.std), (other.mean, other.std), relative=self.bands is not None)

    @property
    def takes(self) -> tuple[int, ...] | None:
        """The numbers of the bands that the network takes; None for RGB of 8 bits."""
        return self.bands.bands if self.bands else None

    def as_meta(self) -> dict[str, Any]:
        """Return plain values for the meta of a checkpoint."""
        known = {key: value for key, value in asdict(self).items() if value is not None and key != 'source'}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in known.items()}
        return plain if self.bands is None else {**plain, 'bands': self.bands.as_plain()}


IMAGENETS: Final = Preprocessing(IMAGENET_MEAN, IMAGENET_STD)
ONE_NORMALIZATION: Final[Mapping[Any, Preprocessing]] = {
    ((3, 4, 30, 3), (384, 768, 1536, 3072)): Preprocessing(
        CLIP_MEAN, CLIP_STD, interpolation='bicubic', source="its size xxlarge, which is CLIP's,"
    ),
    ((2, 2, 4, 2), (32, 64, 128, 256)): Preprocessing(
        (0.5,) * 3, (0.5,) * 3, interpolation='bicubic', source='its size zepto in timm'
    ),
}
"""The normalization of timm's networks that have no other, by depths and dims (timm 1.0, ``models/convnext.py``)."""


def find_preprocessing(
    path: Path,
    source: str,
    meta: Mapping[str, Any],
    names: Collection[str] = (),
    state: Mapping[str, Tensor] | None = None,
) -> Preprocessing | None:
    """Find how images were prepared for the network of some weights.

    Args:
        path: the weights file; its folder may have files that tell it, if it has the name of a file on a hub.
        source: format of the weights, as in :class:`~.conversion.ConvertedWeights`.
        meta: the checkpoint's metadata.
        names: names of the tensors in the file.
        state: the tensors in our names.

    Returns:
        None if nothing tells it.

    Raises:
        UserError: if what tells it can't be right; the message names the file.
    """
    channels = _channels(state or {})
    if meta.get(KEY) is not None:
        return preprocessing_of_meta(meta[KEY], path, channels)
    in_clip = any(OPEN_CLIP_TRUNK in name for name in names)
    if path.name in HUB_FILES:
        readers: dict[str, Callable[[dict, Path], dict[str, Any] | None]] = {
            HUB_CONFIG: partial(told_by_timm, channels=channels),
            HUB_PREPROCESSOR: told_by_transformers,
            OPEN_CLIP_CONFIG: told_by_open_clip,
        }
        for name in _files_beside(path, source, in_clip):
            file = path.with_name(name)
            if file.is_file() and (told := readers[name](read_json(file), file)) is not None:
                return _checked(str(file), channels, **told, source=name)
    for text in (meta.get('cfg'), meta.get('config')):
        if isinstance(text, str) and (told := preparation_in(text)) is not None:
            return _checked(f'the config in {path}', channels, source='the config in the checkpoint', **told)
    if in_clip:
        return Preprocessing(CLIP_MEAN, CLIP_STD, interpolation='bicubic', source='open_clip, by its names')
    if source == TORCHVISION.name and (told := told_by_torchvision(detect_arch(state or {}).name)) is not None:
        return _checked(str(path), channels, **told, source="torchvision's preset")
    if source in (TIMM.name, TIMM_FEATURES.name):
        if any(name.endswith(HIDDEN_LAYER) for name in names):
            return Preprocessing(CLIP_MEAN, CLIP_STD, interpolation='bicubic', source="large_mlp, which is CLIP's,")
        return ONE_NORMALIZATION.get(tuple(detect_arch(state or {}).size))
    return None


def _files_beside(path: Path, source: str, in_clip: bool) -> Sequence[str]:
    """Return the names of the files that the library writes which has written some weights; others are of others."""
    if source in (HF.name, HF_DINOV3.name):
        return (HUB_PREPROCESSOR,)
    if source not in (TIMM.name, TIMM_FEATURES.name):
        return ()
    if in_clip or path.name in OPEN_CLIP_FILES:
        return (OPEN_CLIP_CONFIG,)
    # transformers has models with a backbone of timm's, which their config names
    return (HUB_CONFIG, HUB_PREPROCESSOR) if path.with_name(HUB_CONFIG).is_file() else ()


def describe_doubt(path: Path, source: str) -> str:
    """Describe why weights that tell no mean and std may need others than ImageNet's; empty for no reason.

    Args:
        path: the weights file.
        source: format of the weights.
    """
    name = f'{path.parent.name}/{path.name}' if path.name in HUB_FILES else path.name
    for word in re.split(r'[^a-z0-9]+', name.lower()):
        whose = next((value for pattern, value in TELLING_WORDS.items() if re.fullmatch(pattern, word)), None)
        if whose is not None:
            owner, (mean, std) = whose
            flags = ' '.join(['--mean', *map(str, mean), '--std', *map(str, std)])
            return f'since {path} tells none; {word!r} in its name hints at {owner}: {flags}'
    file = {HF.name: HUB_PREPROCESSOR, HF_DINOV3.name: HUB_PREPROCESSOR}.get(source, HUB_CONFIG)
    if source in (HF.name, TIMM.name, TIMM_FEATURES.name):
        return f'assumed for {path}, without a {file} beside it'
    return ''


def check_normalization(mean: Any, std: Any, channels: int, place: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Check a mean and a standard deviation of values from 0 to 1.

    Args:
        mean, std: a number for all channels, or one for each.
        channels: number of channels of the network's input.
        place: where they stand, for messages.

    Returns:
        A number for each channel.

    Raises:
        UserError: if they are no such numbers.
    """
    checked = []
    for name, values in (('mean', mean), ('std', std)):
        numbers = [values] * channels if is_number(values) else values
        if not isinstance(numbers, list | tuple) or not all(map(is_number, numbers)):
            raise UserError(f'{place}: {name} is {values!r}: it must be {channels} finite numbers')
        if len(numbers) != channels:
            raise UserError(f'{place}: {name} has {len(numbers)} numbers, the network {channels} input channels')
        if name == 'mean' and not all(0 <= value <= 1 for value in numbers):
            raise UserError(f'{place}: mean is {values!r}: it must be of values from 0 to 1, so divide by 255')
        if name == 'std' and not all(value > 0 for value in numbers):
            raise UserError(f'{place}: std is {values!r}: it must be above 0')
        checked.append(tuple(float(value) for value in numbers))
    return checked[0], checked[1]


def preprocessing_of_levels(mean: Any, std: Any, is_rgb: bool) -> Preprocessing | None:
    """Return the normalization of a model of mmdet or mmseg.

    Args:
        mean, std: of its channels, in their order, of values from 0 to 255; None without normalization.
        is_rgb: whether the model takes RGB rather than BGR.
    """
    if mean is None or std is None:
        return None
    try:
        values = [[round(float(value) / LEVELS, 9) for value in part] for part in (mean, std)]
    except (TypeError, ValueError):  # an error in the config, which names it when the model is built
        return None
    mean, std = (tuple(part if is_rgb else part[::-1]) for part in values)
    return Preprocessing(mean, std, bgr=not is_rgb and len(mean) == 3)


def describe_difference(used: Preprocessing | None, made_for: Preprocessing | None, path: str | Path) -> str | None:
    """A line about images that are normalized otherwise than for the network that weights are of; None if not."""
    if used is None or made_for is None or used.normalizes_like(made_for):
        return None
    if used.bands and not made_for.bands:  # RGB weights for bands, which have a mean and std of their own
        return None
    return (
        f'images are normalized with {used}, and {path} was made for {made_for}, as {made_for.source} says: '
        'set mean and std to these, unless it is meant'
    )


def preprocessing_of_meta(kept: Any, path: Path, channels: int) -> Preprocessing:
    """Return what :meth:`Preprocessing.as_meta` kept.

    Args:
        kept: the values.
        path: the file that has them, for messages.
        channels: number of channels of the network's input.

    Raises:
        UserError: if they can't be right.
    """
    place = f'{KEY} in the meta of {path}'
    known = {field.name for field in fields(Preprocessing)}
    if not isinstance(kept, Mapping) or not {'mean', 'std'} <= kept.keys() <= known:
        raise UserError(f'{place} is not a mean, a std and what belongs to them: take other weights')
    if kept.get('bands') is not None:
        return _of_bands(kept, place, channels)
    rgb = {key: value for key, value in kept.items() if key != 'bgr'}  # kept as RGB, also for a network of BGR
    found = _checked(place, channels, **{**rgb, 'source': KEPT})
    return replace(found, bgr=bool(kept.get('bgr')) and channels == 3)


def preprocessing_of_bands(mean: Any, std: Any, bands: BandInput, source: str = '') -> Preprocessing | None:
    """Return the normalization of bands as they are stored; None if there is none."""
    if mean is None or std is None:
        return None
    means, stds = (tuple(float(value) for value in part) for part in (mean, std))
    return Preprocessing(means, stds, bands=bands, source=source)


def _of_bands(kept: Mapping[str, Any], place: str, channels: int) -> Preprocessing:
    """Return the normalization of bands that a checkpoint tells.

    Raises:
        UserError: if it can't be right.
    """
    try:
        plain: dict[str, Any] = dict(kept['bands'])
        plain = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()}
        bands = BandInput(**plain)
        numbers = [[float(value) for value in kept[name]] for name in ('mean', 'std')]
        valid = all(map(math.isfinite, (*numbers[0], *numbers[1]))) and min(numbers[1]) > 0
        valid = valid and set(bands.rgb) <= set(bands.bands)
    except (TypeError, ValueError):
        valid, numbers = False, []
    if not valid or {len(bands.bands), *map(len, numbers)} != {channels}:
        raise UserError(f'{place}: its bands, mean and std are not those of a network with {channels} channels')
    return Preprocessing(tuple(numbers[0]), tuple(numbers[1]), bands=bands, source=KEPT)


def _checked(place: str, channels: int, mean: Any, std: Any, bgr: bool = False, **told: Any) -> Preprocessing:
    """Build a record of values that were read somewhere.

    Raises:
        UserError: if they can't be right; the message begins with ``place``.
    """
    mean, std = check_normalization(mean, std, channels, place)
    if bgr and channels == 3:
        mean, std = mean[::-1], std[::-1]
    found = Preprocessing(mean, std, bgr=bgr and channels == 3, **told)
    size, ratio = found.input_size, found.crop_ratio
    if size is not None:
        if not isinstance(size, list | tuple) or len(size) != 2 or not all(is_whole(side) for side in size):
            raise UserError(f'{place}: the size of the images is {size!r}: it must be height and width in pixels')
        found = replace(found, input_size=(size[0], size[1]))
    if ratio is not None and not (is_number(ratio) and 0 < ratio <= 1):
        raise UserError(f'{place}: the crop ratio is {ratio!r}: it must be above 0 and at most 1')
    for name, known in (('interpolation', INTERPOLATIONS), ('crop_mode', CROP_MODES)):
        value = getattr(found, name)
        if value is not None and value not in known:
            raise UserError(f'{place}: {name} is {value!r}: it must be one of {", ".join(known)}')
    if found.border is not None and not (is_number(found.border) and 0 <= found.border <= 255):
        raise UserError(f'{place}: the level of the border is {found.border!r}: it must be from 0 to 255')
    return found


def _channels(state: Mapping[str, Tensor]) -> int:
    """Return the number of input channels of a network, by its first convolution; 3 if it is unknown."""
    stems = (state.get(f'backbone.{name}.weight') for name in ('downsample_layers.0.0', 'stem', 'stem.0'))
    return next((stem.shape[1] for stem in stems if stem is not None and stem.ndim == 4), 3)


def _close(some: Sequence[Sequence[float]], others: Sequence[Sequence[float]], relative: bool = False) -> bool:
    def near(x: float, y: float) -> bool:
        return math.isclose(x, y, rel_tol=TOLERANCE) if relative else abs(x - y) < TOLERANCE

    return all(
        len(a) == len(b) and all(near(x, y) for x, y in zip(a, b, strict=True))
        for a, b in zip(some, others, strict=True)
    )
