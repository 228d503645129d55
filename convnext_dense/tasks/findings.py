"""Findings about a model, from the images of a test, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..diagnosis import segmentation
from ..diagnosis.average_precision import average_precision_measure
from ..diagnosis.classification import Predictions
from ..diagnosis.content import Headline
from ..diagnosis.diagnosed_image import DiagnosedImage
from ..diagnosis.findings.base import Facts, Findings
from ..diagnosis.intervals import Measure, bootstrap
from ..diagnosis.matching import match_objects
from ..diagnosis.overlaps import object_overlaps
from ..diagnosis.panoptic_quality import panoptic_measure
from ..diagnosis.records import ClassifiedImage, DetectedImage, PanopticImage, SegmentedImage


def find_in_classes(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find what a classifier does."""
    classes = metainfo['classes']
    records = [cast(ClassifiedImage, image.record) for image in images]
    return _of(Predictions.of(records, len(classes)).measure(classes), 'top-1', 'images')


def find_in_objects(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find what a detector does, of masks if it predicts some and the ground truth has some."""
    classes = metainfo['classes']
    records = [cast(DetectedImage, image.record) for image in images]
    masks = have_masks(records)
    overlaps = [object_overlaps(one, masks) for one in records]
    matches = match_objects(records, overlaps, len(classes), masks=masks)
    return _of(average_precision_measure(matches, classes, 'mask' if masks else 'box'), 'box AP', 'objects')


def have_masks(records: Sequence[DetectedImage]) -> bool:
    """Tell whether masks are measured, as :class:`~convnext_dense.evaluation.CocoAP` decides it."""
    annotated = any(len(one.truth) for one in records)
    has_any = not annotated or any(one.truth.masks is not None for one in records)
    return bool(records) and has_any and all(one.masks is not None for one in records)


def find_in_pixels(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find what a segmentor does."""
    records = [cast(SegmentedImage, image.record) for image in images]
    return _of(segmentation.measure(records, metainfo['classes']), 'mIoU', 'pixels')


def find_in_segments(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find what a panoptic model does."""
    classes = metainfo['classes']
    records = [cast(PanopticImage, image.record) for image in images]
    things = len(classes) - len(metainfo['stuff_classes'])
    return _of(panoptic_measure([one.tallies for one in records], classes, things), 'PQ', 'segments')


def _of(measure: Measure, metric: str, unit: str) -> Findings:
    found = bootstrap(measure)
    headlines = [
        Headline(one.quantity.metric, one.value, one.low, one.high) for one in found if one.quantity.class_name is None
    ]
    first = headlines[0]
    facts = Facts(metric, first.value, first.low, first.high, measure.images, unit, [])
    return Findings(headlines, [], [], {}, {}, facts)
