"""Find what is wrong with the bands of images: their number and type, and what becomes of their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ...errors import UserError
from ...io.band_choice import Bands, check_exist, join
from ...io.band_images import count_bands
from ...io.image_stats import ImageStats
from ..image_scan import BandValues, ImageScan
from ..text import count_of
from .records import NOTE, PROBLEM, Finding, SplitRecords

SPREAD = 0.28
"""Distance, in standard deviations, between the smallest and the largest value of an image up to which it is
near-constant: that of 16 of 255 levels, with the standard deviations of ImageNet."""
FAR = 10.0
"""Distance, in standard deviations, of an image's mean from that of the data from which it is of another range."""
FAR_FROM = 'far from the statistics'
MANY = 0.5
"""Share of the images above which it is a problem: a few are blank or unusual."""


def measure_training(splits: Sequence[SplitRecords], scans: Sequence[Sequence[ImageScan]]) -> ImageStats | None:
    """Compute the statistics of the bands of the images that training reads; of any, if there is no such split.

    Images of another number of bands, or another type, than most are left out.

    Returns:
        None if no image has bands that were measured.
    """
    measured = [
        (split.name, scan.bands)
        for split, of_split in zip(splits, scans, strict=True)
        for image, scan in zip(split.images, of_split, strict=True)
        if scan.bands is not None and image.is_read
    ]
    bands = [one for name, one in measured if name == 'train'] or [one for _, one in measured]
    if not bands:
        return None
    usual = _usual_kind(bands)
    chosen = [one for one in bands if one.kind == usual]
    return ImageStats.of([one.sums for one in chosen], chosen[0].dtype)


def find_band_faults(
    split: SplitRecords, scans: Sequence[ImageScan], bands: Bands, stats: ImageStats | None
) -> Iterable[Finding]:
    """Find bands that do not exist, images of other kinds than most, and those that would come out near-constant.

    Args:
        split: the records of the images.
        scans: the scan of each image.
        bands: the bands that are taken.
        stats: the statistics that the values are normalized with.
    """
    pairs = zip(split.images, scans, strict=True)
    measured = [(image.path, scan.bands) for image, scan in pairs if scan.bands is not None and image.is_read]
    if stats is None or not measured:
        return
    name, kind = split.name, f'{count_bands(stats.bands)} of {stats.dtype}'
    others = [(path, values) for path, values in measured if values.kind != kind]
    if others:
        message = f'{count_of(others, "image")} of {len(measured)} of another kind than the statistics, {kind}'
        fix = 'save all with the same bands and type, or remove them'
        items = [f'{path} ({values.kind})' for path, values in others]
        yield Finding(PROBLEM, name, message, fix, items, [path for path, _ in others])
    try:
        chosen = check_exist(bands, stats.bands, 'the images have')
    except UserError as error:
        yield Finding.of_error(name, error)
        return
    same = [(path, values) for path, values in measured if values.kind == kind]
    if name == 'train':
        yield from _flat_bands(chosen, stats)
    yield from _lost_values(name, same, chosen)
    yield from find_lost_spread(name, same, chosen, [stats.mean[b - 1] for b in chosen], _stds(stats, chosen))


def find_lost_spread(
    split: str,
    measured: Sequence[tuple[str, BandValues]],
    bands: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float] | np.ndarray,
) -> Iterable[Finding]:
    """Find images that are near-constant after normalization, or far from all that the statistics are of.

    Args:
        split: the split's name.
        measured: path and values of images with all these bands.
        bands: their numbers, from 1.
        mean, std: what each is normalized with.
    """
    places = [band - 1 for band in bands]
    flat, far = [], []
    for path, values in measured:
        sums = values.sums
        low, high, own = sums.minimum[places], sums.maximum[places], sums.mean[places]
        if not (sums.values[places] > 0).all():
            continue
        if (high > low).any() and ((high - low) / std).max() <= SPREAD:
            flat.append((path, low, high))
        if (np.abs(own - mean) / std).max() > FAR:
            far.append((path, low, high))
    for kind, found in (('near-constant', flat), (FAR_FROM, far)):
        if len(found) <= MANY * len(measured):
            continue
        low, high = (np.array([one[place] for one in found]) for place in (1, 2))
        worst = int(np.argmax(np.abs((low + high).mean(axis=0) / 2 - mean) / std))
        values_are = f'band {bands[worst]} has values of {low[:, worst].min():g} to {high[:, worst].max():g}'
        normal = f'the statistics have a mean of {mean[worst]:g} and a std of {std[worst]:g}'
        message = (
            f'{count_of(found, "image")} of {len(measured)} {kind} after normalization: {values_are}, and {normal}'
        )
        items = [
            f'{path} ({", ".join(f"{a:g} to {b:g}" for a, b in zip(lo, hi, strict=True))})' for path, lo, hi in found
        ]
        fix = 'measure the statistics of these images, with check_data; a value for no data may spoil them'
        yield Finding(PROBLEM, split, message, fix, items, [path for path, *_ in found])


def _flat_bands(bands: Sequence[int], stats: ImageStats) -> Iterable[Finding]:
    flat = [band for band in bands if not stats.std[band - 1]]
    if flat:
        left = tuple(band for band in bands if band not in flat)
        fix = f'leave them out: --bands {join(left)}' if left else 'take other bands'
        items = [f'band {band}: {stats.mean[band - 1]:g}' for band in flat]
        yield Finding(PROBLEM, 'train', f'{count_of(flat, "band")} of one value in all images', fix, items)


def _lost_values(split: str, measured: Sequence[tuple[str, BandValues]], bands: Sequence[int]) -> Iterable[Finding]:
    """Note the values that are left out, which training reads as the mean."""
    lost = [(path, int(values.sums.left_out[[band - 1 for band in bands]].sum())) for path, values in measured]
    lost = [(path, count) for path, count in lost if count]
    if lost:
        total = sum(count for _, count in lost)
        message = f'{count_of(lost, "image")} of {len(measured)} with {total:,} values of NaN, infinity or no data'
        items = [f'{path} ({count:,})' for path, count in lost]
        yield Finding(NOTE, split, message, 'they are left out of the statistics, and become the mean', items)


def _stds(stats: ImageStats, bands: Sequence[int]) -> np.ndarray:
    return np.array([stats.std[band - 1] or 1.0 for band in bands])


def _usual_kind(measured: Sequence[BandValues]) -> str:
    return Counter(one.kind for one in measured).most_common(1)[0][0]
