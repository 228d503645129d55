"""Bands of images in the configs of the tasks that take them: what reads, changes, normalizes and takes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UserError
from ..io.band_choice import ALL, BandInput, Bands, as_bands, choose_rgb, join, three_bands
from .config_parts import loaders
from .datasets import own_datasets
from .pipelines import kind_of, reading_steps, steps_of

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..export.graphs import Normalization
    from ..io.band_images import ShownBands
    from ..weights.preprocessing import Preprocessing

PREPROCESSORS = {
    'DetDataPreprocessor': 'convnext_dense.DetBandPreprocessor',
    'SegDataPreProcessor': 'convnext_dense.SegBandPreprocessor',
}
"""Our preprocessors of any number of bands by the names of mmdet's and mmseg's."""
OWN_PREPROCESSOR = 'convnext_dense.BandPreprocessor'
"""That of models which are neither mmdet's nor mmseg's and have none for RGB."""
READERS = {'LoadImage', 'UnlabeledImages'}
"""What reads images by its setting ``bands``: a step of a pipeline, or a data set without one."""
RGB_ONLY = {
    *('AdjustGamma', 'AutoAugment', 'AutoContrast', 'Brightness', 'BrightnessTransform', 'CLAHE', 'Color'),
    *('ColorJitter', 'ColorTransform', 'Contrast', 'ContrastTransform', 'Equalize', 'EqualizeTransform'),
    *('HueSaturationValue', 'ImageCompression', 'Invert', 'JpegCompression', 'PhotoMetricDistortion', 'Posterize'),
    *('RandAugment', 'RandomBrightness', 'RandomBrightnessContrast', 'RandomContrast', 'RandomGamma'),
    *('RandomGrayscale', 'RGBShift', 'Rerange', 'RGB2Gray', 'Sharpness', 'Solarize', 'SolarizeAdd', 'ToGray'),
    *('YOLOXHSVRandomAug',),
}
"""Transforms of mmdet, mmseg, mmcv and albumentations that change colors of 8 bits."""
MIXING = {'convnext_dense.Mosaic', 'convnext_dense.MixUp'}
"""Our transforms that take ``pad_val`` of each band."""
UNFIT = {
    *('CachedMixUp', 'CachedMosaic', 'MixUp', 'Mosaic', 'RandomCenterCropPad', 'RandomErasing'),
    *('ShearX', 'ShearY', 'TranslateX', 'TranslateY'),
}
"""Transforms of mmdet for images of three channels."""


class BandOptions(NamedTuple):
    """What a command says of bands."""

    bands: Bands | None = None
    """``--bands``."""
    rgb_bands: Sequence[int] | None = None
    """``--rgb-bands``: which of them are red, green and blue."""
    display_bands: Sequence[int] | None = None
    """``--display-bands``: which are shown in drawings."""
    image_stats: str | Path | None = None
    """``--image-stats``: the file with the statistics of the data."""
    trained: BandInput | None = None
    """The bands of the checkpoint that is used, which apply where neither command nor config names any."""


RGB_OF_8_BITS = BandOptions()
"""Images are read as RGB of 8 bits, unless the config says otherwise."""


def bands_of(cfg: Config) -> Bands | None:
    """Return the bands that a config takes from its images; None for RGB of 8 bits."""
    return as_bands(cfg.get('bands'))


def band_input(cfg: Config) -> BandInput | None:
    """Return the bands of a config as far as they are known; None for RGB of 8 bits, and for all of any number."""
    part = _preprocessor(cfg)
    if part.get('bands') is None:
        return None
    rgb = tuple(part.get('rgb_bands') or ())
    return BandInput(tuple(part['bands']), rgb, part.get('stored_bands'), part.get('dtype'))


def is_asked_for(cfg: Config, options: BandOptions) -> bool:
    """Whether command, config or checkpoint name bands.

    Raises:
        UserError: if only what belongs to them is given.
    """
    if any(bands is not None for bands in (options.bands, cfg.get('bands'), options.trained)):
        return True
    given = [name for name in ('rgb_bands', 'display_bands') if getattr(options, name) is not None]
    if given:
        flag = f'--{given[0].replace("_", "-")}'
        raise UserError(f'{flag} {join(tuple(getattr(options, given[0])))} belongs to --bands, which is not given')
    return False


def set_bands(cfg: Config, options: BandOptions) -> None:
    """Have a config take bands of images as they are stored; transforms for colors are left out.

    How they are normalized is set by :func:`set_normalization`, also the number of bands where all are taken.

    Raises:
        UserError: if the config has settings that contradict it, or the bands are others than those of the run that
            saved the config.
    """
    before = band_input(cfg)
    bands = options.bands or bands_of(cfg) or (options.trained.bands if options.trained else None)
    assert bands is not None
    if options.rgb_bands is not None:
        cfg.rgb_bands = list(three_bands(options.rgb_bands))
    if options.display_bands is not None:
        cfg.display_bands = list(three_bands(options.display_bands))
    if options.image_stats is not None:
        cfg.image_stats = str(options.image_stats)
    if before is not None:
        _check_same(before, bands, options)
        _set_reading(cfg, before)
        return
    ranged = next((step for step in _readers(cfg) if step.get('value_range')), None)
    if ranged is not None:
        low, high = ranged['value_range']
        raise UserError(
            f'--value-range {low:g} {high:g} is for images that are read as 8 bits, and --bands {join(bands)} takes '
            'the values as they are stored: leave out one of them'
        )
    _replace_preprocessor(cfg)
    if not _readers(cfg):
        raise UserError(f'--bands {join(bands)}: no pipeline has a LoadImage')
    cfg.left_out_for_bands = _leave_out_colors(cfg)
    _fill_with_zero(cfg)
    if options.bands is None and cfg.get('bands') is None and options.trained is not None:
        cfg.setdefault('rgb_bands', list(options.trained.rgb) or None)
    cfg.bands = bands if isinstance(bands, str) else list(bands)
    if not isinstance(bands, str):
        set_input(cfg, BandInput(bands, _rgb(cfg, bands)))


def set_input(cfg: Config, bands: BandInput) -> None:
    """Set the bands that a config's pipelines read and its model takes."""
    cfg.bands = list(bands.bands)
    part = _preprocessor(cfg)
    part.update(bands=list(bands.bands), rgb_bands=list(bands.rgb), stored_bands=bands.stored, dtype=bands.dtype)
    cfg.model.backbone.in_channels = len(bands.bands)
    _set_reading(cfg, bands)


def resolve(cfg: Config, stored: int | None, dtype: str | None) -> BandInput:
    """Set the bands of a config for images of a number of bands and a type, and return them.

    Args:
        cfg: the config.
        stored: the number of bands of its images; None if it is unknown.
        dtype: the type of their values.

    Raises:
        UserError: if all bands are taken and their number is unknown.
    """
    bands = bands_of(cfg)
    if bands == ALL:
        if stored is None:
            raise UserError("bands 'all': nothing tells how many there are: name them, as in --bands 1,2,3,4")
        bands = tuple(range(1, stored + 1))
    assert bands is not None and not isinstance(bands, str)
    found = BandInput(bands, _rgb(cfg, bands), stored, dtype)
    set_input(cfg, found)
    return found


def set_normalization(cfg: Config, mean: Sequence[float], std: Sequence[float]) -> None:
    """Set mean and std of the bands, as stored; the mean also fills what no image covers."""
    means, stds = ([_as_float32(value) for value in part] for part in (mean, std))
    _preprocessor(cfg).update(mean=means, std=stds)
    for step in _all_steps(cfg):
        if kind_of(step) in READERS or 'around' in step:
            step['fill'] = means
        elif step['type'] in MIXING:
            step['pad_val'] = means


def stated_normalization(cfg: Config) -> Preprocessing | None:
    """Return the mean and std of bands that a config states; None if it has none, or those of RGB of 8 bits."""
    part, bands = _preprocessor(cfg), band_input(cfg)
    mean, std = part.get('mean'), part.get('std')
    if bands is None or mean is None or std is None:
        return None
    if _is_imagenets(part):
        return None
    counts = {len(mean), len(std)}
    if counts != {len(bands.bands)}:
        raise UserError(
            f'model.data_preprocessor has a mean of {len(mean)} values and a std of {len(std)}, and --bands '
            f'{join(bands.bands)} takes {len(bands.bands)}: give one for each band'
        )
    from ..weights.preprocessing import preprocessing_of_bands  # here, because it imports torch

    return preprocessing_of_bands(mean, std, bands)


def normalization_of_bands(model: Any) -> Normalization | None:
    """Return how a model normalizes bands; None for one of RGB of 8 bits."""
    import torch

    from ..compat.mmengine_private_names import normalizes
    from ..export.graphs import Normalization

    preprocessor = model.data_preprocessor
    bands = getattr(preprocessor, 'bands', None)
    if bands is None:
        return None
    if not normalizes(preprocessor):
        return Normalization(torch.zeros(len(bands.bands)), torch.ones(len(bands.bands)), bands=bands)
    return Normalization(preprocessor.mean.flatten(), preprocessor.std.flatten(), bands=bands)


def shown_bands(cfg: Config) -> ShownBands | None:
    """Return the bands that drawings show; None as long as they are unknown."""
    from ..io.band_images import ShownBands

    bands = band_input(cfg)
    shown = cfg.get('display_bands') or (bands.shown if bands else None)
    return None if shown is None else ShownBands(tuple(shown))


def describe_bands(cfg: Config) -> str:
    """Say which bands a config takes, and which of its transforms are left out; empty for RGB of 8 bits."""
    bands = band_input(cfg)
    if bands is None:
        return ''
    rgb = f', of which {join(bands.rgb)} are red, green and blue' if bands.rgb else ', none of them red, green or blue'
    left_out = cfg.get('left_out_for_bands') or []
    without = f'; left out, since they are for RGB of 8 bits: {", ".join(left_out)}' if left_out else ''
    return f'images are read as stored, {bands}{rgb}{without}'


def stats_folder(cfg: Config) -> Path | None:
    """Return the folder of ``image_stats.json``: the root of a config's training data; None for data of others."""
    datasets = own_datasets(cfg)
    if not datasets:
        return None
    first = datasets[0]
    if 'root' in first:
        return Path(first.root)
    places = [Path(first[key]).resolve() for key in ('annotations', 'images') if first.get(key)]
    shared = next(
        (one for one in (places[0], *places[0].parents) if all(one in (p, *p.parents) for p in places)), places[0]
    )
    if shared == Path(shared.anchor):  # annotations and images have nothing in common
        shared = places[0]
    return shared.parent if shared.is_file() or shared.suffix in ('.json', '.yaml', '.csv', '.xml') else shared


def _as_float32(value: float) -> float:
    """Round to float32, as checkpoints keep mean and std, so that both are equal."""
    rounded: float = struct.unpack('f', struct.pack('f', value))[0]
    return rounded


def _rgb(cfg: Config, bands: tuple[int, ...]) -> tuple[int, ...]:
    named = cfg.get('rgb_bands')
    return choose_rgb(bands, None if named is None else three_bands(named))


def _check_same(before: BandInput, bands: Bands, options: BandOptions) -> None:
    """Raise a UserError if the bands of a run's config are not those of the command line."""
    is_same = bands in (before.bands, ALL) and (options.rgb_bands is None or tuple(options.rgb_bands) == before.rgb)
    if not is_same:
        raise UserError(f'the model takes bands {join(before.bands)}, not {join(bands)}: leave out --bands')


def _preprocessor(cfg: Config) -> dict:
    part: dict = (cfg.get('model') or {}).get('data_preprocessor') or {}
    return part


def _replace_preprocessor(cfg: Config) -> None:
    part = cfg.model.get('data_preprocessor')
    kind = kind_of(part) if part else 'none'
    if part and part['type'] in (*PREPROCESSORS.values(), OWN_PREPROCESSOR):
        return
    if kind not in PREPROCESSORS:
        known = ' or '.join(PREPROCESSORS)
        raise UserError(f'--bands needs a model with {known} as data_preprocessor, and this one has {kind}')
    for key in ('bgr_to_rgb', 'rgb_to_bgr'):
        part.pop(key, None)
    part.type = PREPROCESSORS[kind]
    if _is_imagenets(part):
        part.update(mean=None, std=None)


def _is_imagenets(part: Mapping) -> bool:
    """Whether a preprocessor's mean and std are ImageNet's, of levels from 0 to 255."""
    from ..weights.preprocessing import IMAGENETS, preprocessing_of_levels

    of_levels = preprocessing_of_levels(part.get('mean'), part.get('std'), is_rgb=True)
    return of_levels is not None and of_levels.normalizes_like(IMAGENETS)


def _set_reading(cfg: Config, bands: BandInput) -> None:
    shown = cfg.get('display_bands')
    for step in _readers(cfg):
        step.update(bands=list(bands.bands), stored_bands=bands.stored, dtype=bands.dtype)
        step['shown'] = list(shown or bands.shown)


def _readers(cfg: Config) -> list[dict]:
    return [*reading_steps(cfg), *(dataset for dataset in own_datasets(cfg) if kind_of(dataset) in READERS)]


def _parts(cfg: Config) -> list[Any]:
    """Return the parts of a config that have pipelines."""
    return [*(one.dataset for one in loaders(cfg)), cfg.get('tta_pipeline') or [], cfg.get('custom_hooks') or []]


def _all_steps(cfg: Config) -> list[dict]:
    return [step for step in steps_of(_parts(cfg)) if isinstance(step['type'], str)]


def _leave_out_colors(cfg: Config) -> list[str]:
    """Remove the transforms of colors from all pipelines, also inside others, and return their names."""
    left_out: list[str] = []

    def clean(value: Any) -> None:
        if isinstance(value, list):
            gone = [one for one in value if isinstance(one, dict) and 'type' in one and kind_of(one) in RGB_ONLY]
            left_out.extend(kind_of(one) for one in gone)
            value[:] = [one for one in value if not any(one is other for other in gone)]
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            clean(part)

    for part in _parts(cfg):
        clean(part)
    return sorted(set(left_out))


def _fill_with_zero(cfg: Config) -> None:
    """Have transforms that fill parts of the image fill with the mean, by way of zero.

    Raises:
        UserError: for a transform that is for images of three channels.
    """
    from ..data.band_transforms import FILLED  # here, because it imports mmcv

    for step in _all_steps(cfg):
        kind, name = kind_of(step), step['type']
        if kind in UNFIT and name not in MIXING:
            raise UserError(f'--bands: {name} in a pipeline is for images of three channels: leave it out')
        if kind in FILLED and 'around' not in step:
            key, zero = FILLED[kind]
            given = step.get(key)
            if isinstance(zero, dict) and isinstance(given, dict):
                zero = {**given, 'img': zero['img']}
            full_name = name if '.' in name else f'{cfg.default_scope}.{name}'
            step.update({'type': f'convnext_dense.{kind}', 'around': full_name, key: zero})
