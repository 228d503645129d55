"""What a diagnosis takes from a model's outputs for images of a test set, by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..diagnosis.confusion import Confusion
from ..diagnosis.diagnosed_image import DiagnosedImage, LabelMaps
from ..diagnosis.records import (
    NO_LABEL,
    ClassifiedAmongMany,
    ClassifiedImage,
    DetectedImage,
    SegmentedImage,
    TrueObjects,
)
from ..diagnosis.segmentation import count_image, thinning
from ..diagnosis.suspect_regions import ContradictedImage, Region, contradicted_regions
from ..io.coco_format import Instance
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..io.shown_size import shown_labels, shown_size
from ..results import encode_masks
from ..results.rle import encode_crops

MANY_CLASSES = 1000
"""Classes above which a classified image keeps its highest scores alone."""
NO_CLASS = 65535
"""No class, in label maps of more than 255 classes."""


def classified(output: Mapping[str, Any]) -> DiagnosedImage:
    """Convert a classifier's prediction: a dict with ``scores``, ``path`` and, if it is known, ``label``."""
    label = output.get('label')
    scores = output['scores'].float().cpu().numpy()
    of_kind = ClassifiedImage if len(scores) <= MANY_CLASSES else ClassifiedAmongMany
    record = of_kind(str(output.get('path', '')), scores, NO_LABEL if label is None else int(label))
    return DiagnosedImage(record, has_truth=label is not None)


def detected(output: Any) -> DiagnosedImage:
    """Convert mmdet's data sample with ``pred_instances``, whose ground truth is the data set's ``instances``."""
    size, found = ImageSize(*output.ori_shape[:2]), output.pred_instances
    instances = output.get('instances')
    masks = None
    if 'masks' in found:
        own = found.masks
        is_whole = hasattr(own, 'cpu')
        masks = encode_masks(own.cpu().numpy().astype(bool, copy=False)) if is_whole else encode_crops(own, size)
    record = DetectedImage(
        str(output.get('img_path', '')),
        size,
        found.bboxes.float().cpu().numpy().reshape(-1, 4),
        found.scores.float().cpu().numpy(),
        found.labels.long().cpu().numpy(),
        true_objects(instances or ()),
        masks,
    )
    return DiagnosedImage(record, size, has_truth=instances is not None)


def true_objects(instances: Sequence[Instance]) -> TrueObjects:
    """Convert the annotations of a data set of detection, as :class:`~convnext_dense.evaluation.CocoAP` takes them."""
    masks = [one.get('mask') for one in instances]
    return TrueObjects(
        np.array([one['bbox'] for one in instances], np.float64).reshape(-1, 4),
        np.array([one['bbox_label'] for one in instances], np.int64),
        np.array([bool(one['ignore_flag']) for one in instances], bool),
        np.array([one['area'] for one in instances], np.float64),
        masks if any(mask is not None for mask in masks) else None,
    )


def segmented(output: Any, classes: int) -> DiagnosedImage:
    """Convert mmseg's data sample with label maps, or with the counts and thinned maps of a large image.

    Regions that contradict their labels are found if the sample has the ``confidence`` of its labels.
    """
    path, size = str(output.get('img_path', '')), ImageSize(*output.ori_shape[:2])
    large = output.get('thinned')
    if large is not None:
        pixels, maps, factor = large['pixels'], large['maps'], large['factor']
    else:
        maps = {name: _pixels(output, key) for name, key in MAPS.items()}
        if maps['confidence'] is None and 'seg_logits' in output:
            maps['confidence'] = _confidence(output.seg_logits.data)
        pixels, factor = None, thinning(size)
    if maps['truth'] is None:
        return DiagnosedImage(SegmentedImage(path, nothing_counted(classes)), size, has_truth=False)
    return _counted(path, size, maps, classes, factor, pixels)


MAPS = {'truth': 'gt_sem_seg', 'predicted': 'pred_sem_seg', 'confidence': 'confidence'}
"""Names of the maps of a segmented image, and of the fields of mmseg's data samples."""


def _counted(
    path: str,
    size: ImageSize,
    maps: Mapping[str, np.ndarray | None],
    classes: int,
    factor: int,
    pixels: Confusion | None,
) -> DiagnosedImage:
    """Count the pixels of an image, and find its boundaries and regions in maps that are thinned by a factor."""
    truth, predicted, confidence = maps['truth'], maps['predicted'], maps['confidence']
    assert truth is not None and predicted is not None
    if pixels is None and factor > 1:
        pixels = count_image(path, truth, predicted, classes, boundaries=False).pixels
        truth, predicted = truth[::factor, ::factor], predicted[::factor, ::factor]
        confidence = None if confidence is None else confidence[::factor, ::factor]
    counted = count_image(path, truth, predicted, classes)
    record = counted if pixels is None else replace(counted, pixels=pixels)
    if confidence is None:
        return DiagnosedImage(record, size)
    found = contradicted_regions(path, truth, predicted, confidence, classes)
    return DiagnosedImage(record, size, enlarged(found, factor, size) if factor > 1 else found)


def enlarged(image: ContradictedImage, factor: int, size: ImageSize) -> ContradictedImage:
    """Bring the regions of a thinned image to the pixels of the image."""

    def region(one: Region) -> Region:
        left, top, right, bottom = (edge * factor for edge in one.box)
        box = (left, top, min(right, float(size.width)), min(bottom, float(size.height)))
        return replace(one, box=box, pixels=one.pixels * factor**2)

    return ContradictedImage(
        image.path, [region(one) for one in image.regions], image.sure * factor**2, image.right * factor**2
    )


def label_maps(output: Any, classes: int) -> LabelMaps | None:
    """Return the label maps of mmseg's data sample as they are shown; None if it has none."""
    size = shown_size(ImageSize(*output.ori_shape[:2]))
    large = output.get('thinned')
    maps = large['maps'] if large is not None else {name: _pixels(output, key) for name, key in MAPS.items()}
    predicted, truth = maps['predicted'], maps['truth']
    if predicted is None:
        return None
    true_map = None if truth is None else as_shown(shown_labels(truth, size), classes)
    return LabelMaps(as_shown(shown_labels(predicted, size), classes), true_map)


def as_shown(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return classes as uint8 with 255 for none, of more than 255 classes as uint16 with 65535 for none."""
    kind, none = (np.uint8, UNLABELED) if classes <= UNLABELED else (np.uint16, NO_CLASS)
    return np.where((labels >= 0) & (labels < classes), labels, none).astype(kind)


def nothing_counted(classes: int) -> Confusion:
    """Return the counts of an image without ground truth."""
    return Confusion.sum(classes, ())


def _confidence(logits: Any) -> np.ndarray:
    """Return the probability of the labels from mmseg's ``seg_logits`` (K, H, W), or the probabilities of class 1."""
    found = logits[0].sub(0.5).abs().add(0.5) if len(logits) == 1 else (logits.amax(0) - logits.logsumexp(0)).exp()
    return found.cpu().numpy()


def _pixels(output: Any, key: str) -> np.ndarray | None:
    """Return a map (H, W) of a data sample, or None."""
    data = output.get(key)
    return None if data is None else data.data[0].cpu().numpy()
