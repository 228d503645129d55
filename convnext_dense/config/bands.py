"""Normalizing bands of images: by the statistics of the data, or as the weights were made for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..errors import UserError
from ..io.band_choice import ALL, BandInput, check_exist, join
from ..io.image_stats import FILE_NAME, ImageStats, read_stats
from ..tasks.bands import (
    band_input,
    bands_of,
    resolve,
    set_input,
    set_normalization,
    stated_normalization,
    stats_folder,
)
from ..tasks.datasets import place_of
from ..weights.preprocessing import Preprocessing


def stats_file(cfg: Config) -> Path:
    """Return the file of the statistics of a config's data, which may not exist: ``image_stats``, else in their root.

    Raises:
        UserError: if the data are of another package and nothing names it.
    """
    if cfg.get('image_stats'):
        return Path(cfg.image_stats)
    folder = stats_folder(cfg)
    if folder is None:
        raise UserError('the data are not of this package: name the file of their statistics with --image-stats FILE')
    return folder / FILE_NAME


def follow_bands(
    cfg: Config,
    path: Path | str,
    found: Preprocessing | None,
    evaluates: bool = False,
    resumes: bool = False,
) -> str:
    """Set mean and std of the bands that a config takes, as stored, and their number where all are taken.

    Those of the config come first, then those of weights that were trained on the same bands, then, in training, the
    statistics of the data.

    Args:
        cfg: the config, which is changed.
        path: the file of the weights, or the run's config.
        found: how images were prepared for the weights, if they tell it.
        evaluates: the weights are tested, exported or predict, rather than trained.
        resumes: a run is resumed, whose mean and std it keeps.

    Returns:
        A line that says how bands are normalized and why; empty in evaluation as the weights tell.

    Raises:
        UserError: if nothing tells mean and std, or they do not fit the bands.
    """
    trained = found.bands if found else None
    if bands_of(cfg) == ALL and trained is not None and (evaluates or resumes):
        set_input(cfg, trained)
    known = evaluates or resumes
    if known and trained is None and found is not None:
        raise UserError(f'{path} is of a model for RGB of 8 bits: leave out --bands')
    own = band_input(cfg)
    if known and trained is not None:
        _check_same(own, trained, path)
    stated = stated_normalization(cfg)
    if stated is not None and not (resumes and found is not None):
        if known and found is not None and not stated.normalizes_like(found):
            return f'normalization: {stated}, as the config says'
        return '' if evaluates else f'normalization: {stated}, as the config says'
    if found is not None and trained is not None and (known or own is None or own.bands == trained.bands):
        if own is None or trained.rgb != own.rgb or trained.stored != own.stored:
            set_input(cfg, trained)
        set_normalization(cfg, found.mean, found.std)
        return '' if evaluates else f'normalization: {found}, as {found.source or path} says'
    if evaluates:
        raise UserError(f'{path or "the checkpoint"} tells no mean and std of bands: it was not trained on them here')
    file = stats_file(cfg)
    if not file.is_file():
        raise UserError(
            f'--bands {join(bands_of(cfg) or ())} needs the mean and std of each band, and there is no {file}: '
            f'`{_measuring(cfg)}` measures them'
        )
    used = use_stats(cfg, read_stats(file), file)
    return f'normalization: {used}, as {file} says'


def use_stats(cfg: Config, stats: ImageStats, file: str | Path) -> Preprocessing:
    """Set bands, mean and std of a config by the statistics of its data.

    Args:
        cfg: the config.
        stats: the statistics.
        file: their file, for messages.

    Raises:
        UserError: if a band does not exist, or has one value in all images.
    """
    bands = bands_of(cfg)
    assert bands is not None
    check_exist(bands, stats.bands, f'the images have, by {file},')
    used = resolve(cfg, stats.bands, stats.dtype)
    chosen = stats.chosen(used.bands)
    flat = [band for band, (_, std) in zip(used.bands, chosen, strict=True) if not std]
    if flat:
        left = tuple(band for band in used.bands if band not in flat)
        fix = f'leave it out with --bands {join(left)}' if left else 'take other bands'
        value = stats.mean[flat[0] - 1]
        raise UserError(f'band {flat[0]} has the value {value:g} in all training images, by {file}: {fix}')
    mean, std = zip(*chosen, strict=True)
    set_normalization(cfg, mean, std)
    return Preprocessing(mean, std, bands=used, source=str(file))


def check_no_levels(cfg: Config, mean: Sequence[float] | None) -> None:
    """Raise a UserError if the command line gives a mean of RGB for bands."""
    if mean is not None:
        raise UserError(
            '--mean and --std are of RGB values from 0 to 1; those of bands stand in image_stats.json, or set '
            'model.data_preprocessor.mean and std with --cfg-options'
        )


def check_reads_levels(found: Preprocessing | None, path: Path | str) -> None:
    """Raise a UserError if weights that were trained on bands would get RGB of 8 bits."""
    if found is not None and found.bands is not None:
        raise UserError(f'{path} was trained on {found.bands}: take them with --bands {join(found.bands.bands)}')


def _check_same(own: BandInput | None, trained: BandInput, path: Path | str) -> None:
    if own is not None and own.bands != trained.bands:
        raise UserError(
            f'{path} was trained on bands {join(trained.bands)}, and --bands is {join(own.bands)}: leave it out, or '
            'start a new run from its weights with --pretrained'
        )


def _measuring(cfg: Config) -> str:
    """Return the command that measures the statistics of a config's data."""
    dataset = cfg.train_dataloader.dataset if cfg.get('train_dataloader') is not None else cfg.test_dataloader.dataset
    root = stats_folder(cfg)
    data = str(root) if root is not None else place_of(dataset)
    config = cfg.filename or 'CONFIG'
    bands = bands_of(cfg) or ALL
    return f'convnext-dense check_data {shlex.quote(str(config))} --data {shlex.quote(data)} --bands {join(bands)}'
