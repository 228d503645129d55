"""What a diagnosis takes from panoptic models' outputs for images of a test set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..diagnosis.confusion import Confusion
from ..diagnosis.content import ShownObject
from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
from ..diagnosis.outlines import mask_outline
from ..diagnosis.records import PanopticImage
from ..diagnosis.suspect_regions import ContradictedImage, Region
from ..errors import UserError
from ..evaluation.panoptic import LEAST_IOU, SegmentMatches, find_matches, predicted_labels
from ..io.image_size import ImageSize
from ..io.mask_box import box_around
from ..io.panoptic import NO_SEGMENTS, VOID, Segments, read_segments
from ..io.shown_size import shown_labels, shown_size
from .diagnosed_images import as_shown, nothing_counted

NONE = -1
"""Class of pixels in no segment."""
LEAST_OVERLAP = 0.1
"""IoU from which a predicted segment without a match is one that lies elsewhere, rather than on the background."""


def with_segments(output: Any, classes: int) -> DiagnosedImage:
    """Convert mmdet's data sample with ``pred_panoptic_seg``, whose ground truth is the data set's ``panoptic``."""
    path, size = str(output.get('img_path', '')), ImageSize(*output.ori_shape[:2])
    found, labels = _predicted(output, classes)
    if output.get('panoptic') is None:
        return DiagnosedImage(PanopticImage(path, nothing_counted(classes)), size, has_truth=False)
    segments = read_segments(output.panoptic)
    tallies = {label: tuple(tally) for label, tally in find_matches(segments, found, labels).tallies.items()}
    true, predicted = _class_map(segments.ids, _labels_of(segments)), _class_map(found, labels)
    counted = true != NONE
    pixels = Confusion.count(classes, true[counted], np.where(predicted == NONE, classes, predicted)[counted])
    record = PanopticImage(path, pixels, None, tallies)  # type: ignore[arg-type]
    return DiagnosedImage(record, size, contradicted_segments(path, segments, found, labels, pixels))


def contradicted_segments(
    path: str, truth: Segments, found: np.ndarray, labels: Mapping[int, int], pixels: Confusion
) -> ContradictedImage:
    """Find annotated segments that are predicted as segments of another class, by their IoU of more than 0.5.

    Panoptic predictions have no scores, so that all are as sure: the IoU is what suspects are ranked by.

    Args:
        path: the image's file.
        truth: the annotated segments; crowds are left out.
        found: ids of predicted segments (H, W).
        labels: their classes, by id.
        pixels: the image's pixels by class.
    """
    known = {one['id']: one['label'] for one in truth.segments if not one['iscrowd']}
    width = int(found.max(initial=0)) + 1
    pairs, counts = np.unique(truth.ids.astype(np.int64) * width + found, return_counts=True)
    shared = {divmod(pair, width): count for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)}
    true_areas, found_areas = Counter[int](), Counter[int]()
    for (true, predicted), count in shared.items():
        true_areas[true] += count
        found_areas[predicted] += count
    regions = []
    for (true, predicted), count in shared.items():
        if true not in known or predicted not in labels or known[true] == labels[predicted]:
            continue
        iou = count / (true_areas[true] + found_areas[predicted] - count - shared.get((VOID, predicted), 0))
        if iou > LEAST_IOU:
            box = tuple(map(float, box_around(truth.ids == true)))
            regions.append(Region(known[true], labels[predicted], box, count, 1.0, iou))  # type: ignore[arg-type]
    return ContradictedImage(path, regions, pixels.right.astype(np.float64), pixels.right)


def panoptic_maps(output: Any, classes: int, things: int) -> LabelMaps:
    """Return the classes of pixels, and the segments of things, as they are shown.

    Args:
        output: mmdet's data sample.
        classes: number of classes.
        things: number of the first ones that are things.
    """
    size = ImageSize(*output.ori_shape[:2])
    small = shown_size(size)
    found, labels = _predicted(output, classes)
    predicted = as_shown(shown_labels(_class_map(found, labels), small), classes)
    if output.get('panoptic') is None:
        return LabelMaps(predicted, None, _objects(found, labels, things, {}), None)
    segments = read_segments(output.panoptic)
    known, matches = _labels_of(segments), find_matches(segments, found, labels)
    truth = as_shown(shown_labels(_class_map(segments.ids, known), small), classes)
    crowds = {one['id'] for one in segments.segments if one['iscrowd']}
    true_kinds = {
        number: 'found' if number in matches.found else 'ignored' if number in crowds else 'missed' for number in known
    }
    kinds = {number: _kind(number, label, segments, found, matches) for number, label in labels.items()}
    objects = _objects(found, labels, things, kinds)
    return LabelMaps(predicted, truth, objects, _objects(segments.ids, known, things, true_kinds))


def _kind(number: int, label: int, truth: Segments, found: np.ndarray, matches: SegmentMatches) -> str:
    """Return what became of a predicted segment: ``'right'``, ``'ignored'``, or the kind of its error."""
    if number in matches.right:
        return 'right'
    if number in matches.ignored:
        return 'ignored'
    mask = found == number
    area = int(mask.sum())
    own, other = 0.0, 0.0
    ids, counts = np.unique(truth.ids[mask], return_counts=True)
    shared = dict(zip(ids.tolist(), counts.tolist(), strict=True))
    for segment in truth.segments:
        pixels = shared.get(segment['id'], 0)
        iou = pixels / max((segment['area'] or 0) + area - pixels - shared.get(VOID, 0), 1)
        own, other = (max(own, iou), other) if segment['label'] == label else (own, max(other, iou))
    if other > LEAST_IOU:
        return 'class'
    return 'location' if own >= LEAST_OVERLAP else 'both' if other >= LEAST_OVERLAP else 'background'


def _predicted(output: Any, classes: int) -> tuple[np.ndarray, dict[int, int]]:
    """Return the ids of predicted segments (H, W), and their labels."""
    if 'pred_panoptic_seg' not in output:
        raise UserError(NO_SEGMENTS)
    found = output.pred_panoptic_seg.sem_seg[0].cpu().numpy()
    return found, predicted_labels(found, classes)


def _labels_of(segments: Segments) -> dict[int, int]:
    return {one['id']: one['label'] for one in segments.segments}


def _class_map(ids: np.ndarray, labels: Mapping[int, int]) -> np.ndarray:
    """Return the class of each pixel from the id of its segment, int32 (H, W)."""
    numbers, places = np.unique(ids, return_inverse=True)
    classes = np.array([labels.get(number, NONE) for number in numbers.tolist()], np.int32)
    return classes[places].reshape(ids.shape)


def _objects(ids: np.ndarray, labels: Mapping[int, int], things: int, kinds: Mapping[int, str]) -> list[ShownObject]:
    """Return the segments of things with their outlines."""
    objects = []
    for number, label in labels.items():
        mask = ids == number if label < things else None
        if mask is None or not mask.any():
            continue
        x1, y1, x2, y2 = box_around(mask)
        box = (x1, y1, x2 - x1, y2 - y1)
        outline = mask_outline(mask, ImageSize.of(ids))
        objects.append(ShownObject(box, label, None, kinds.get(number, ''), outline))
    return objects
