"""Check a data set: decode every image and collect all findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ...io.band_images import ShownBands
from ...io.image_stats import ImageStats
from ..image_scan import ImageScan, scan_images
from .bands import find_band_faults, measure_training
from .classes import count_classes, find_absent_classes
from .images import find_copies, find_unsuitable_images
from .records import NOTE, PROBLEM, WARNING, ClassCounts, DatasetRecords, Finding
from .values import find_value_faults


class CheckResult(NamedTuple):
    """The result of :func:`check_dataset`; splits are in the order of ``data.splits``."""

    data: DatasetRecords
    scans: list[list[ImageScan]]
    """For each split, the scan of each image."""
    class_counts: list[ClassCounts]
    """For each split."""
    findings: list[Finding]
    """Sorted by severity, most severe first."""
    stats: ImageStats | None = None
    """Statistics of the bands of the training images, where bands are taken as stored."""


def check_dataset(
    data: DatasetRecords, workers: int, advance: Callable[[], object] = lambda: None, skip: bool = False
) -> CheckResult:
    """Decode every image of a data set, count its classes, and find problems for a run.

    Args:
        data: the records of the data set, including the findings from reading it.
        workers: number of processes that decode.
        advance: called after each image.
        skip: the run will skip unreadable images, so they are warnings rather than problems.

    Raises:
        UserError: if a process dies.
    """
    findings, scans, counts = list(data.findings), [], []
    for split in data.splits:
        of_split = scan_images(
            [(image.path, image.mask) for image in split.images],
            workers,
            advance,
            None if isinstance(data.value_range, ShownBands) else data.value_range,
            data.read_mask,
            data.opening,
            by_bands=data.bands is not None,
            in_tiles=data.in_tiles,
        )
        scans.append(of_split)
        counts.append(count_classes(data, split, of_split))
        findings += find_unsuitable_images(split, of_split, data.has_positions, skip)
        pairs = zip(split.images, of_split, strict=True)
        values = [(image.path, scan.values) for image, scan in pairs if scan.values and image.is_read]
        findings += find_value_faults(split.name, values, has_bands=data.takes_bands)
        findings += data.check_ground_truth(split, of_split)
    stats = measure_training(data.splits, scans)
    if data.bands is not None:
        for split, of_split in zip(data.splits, scans, strict=True):
            findings += find_band_faults(split, of_split, data.bands, stats)
    findings += find_copies(data.splits, scans)
    findings += find_absent_classes(data, counts)
    order = (PROBLEM, WARNING, NOTE)
    findings.sort(key=lambda finding: order.index(finding.level))
    return CheckResult(data, scans, counts, findings, stats)
