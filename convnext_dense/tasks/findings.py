"""Findings about a model, from the images of a test, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..diagnosis.diagnosed_image import DiagnosedImage
from ..diagnosis.findings import classification, detection, panoptic, segmentation
from ..diagnosis.findings.base import Findings
from ..diagnosis.records import ClassifiedImage, DetectedImage, PanopticImage, SegmentedImage
from ..diagnosis.suspect_regions import ContradictedImage


def find_in_classes(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find why a classifier is as good as it is."""
    return classification.find([cast(ClassifiedImage, image.record) for image in images], metainfo['classes'])


def find_in_objects(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find why a detector is as good as it is, by masks if it predicts some and the ground truth has some."""
    records = [cast(DetectedImage, image.record) for image in images]
    return detection.find(records, metainfo['classes'], have_masks(records))


def have_masks(records: Sequence[DetectedImage]) -> bool:
    """Tell whether masks are measured, as :class:`~convnext_dense.evaluation.CocoAP` decides it."""
    annotated = any(len(one.truth) for one in records)
    has_any = not annotated or any(one.truth.masks is not None for one in records)
    return bool(records) and has_any and all(one.masks is not None for one in records)


def find_in_pixels(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find why a segmentor is as good as it is."""
    records = [cast(SegmentedImage, image.record) for image in images]
    return segmentation.find(records, _contradicted(images), metainfo['classes'])


def find_in_segments(images: Sequence[DiagnosedImage], metainfo: Mapping[str, Any]) -> Findings:
    """Find why a panoptic model is as good as it is."""
    classes = metainfo['classes']
    things = len(classes) - len(metainfo['stuff_classes'])
    records = [cast(PanopticImage, image.record) for image in images]
    return panoptic.find(records, _contradicted(images), classes, things)


def _contradicted(images: Sequence[DiagnosedImage]) -> list[ContradictedImage]:
    return [image.contradicted for image in images if image.contradicted is not None]
