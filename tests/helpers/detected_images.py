"""Images with annotated and predicted objects, by hand or at random."""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from convnext_dense.diagnosis.matching import COCO_THRESHOLDS, match_objects
from convnext_dense.diagnosis.overlaps import object_overlaps
from convnext_dense.diagnosis.records import DetectedImage, TrueObjects
from convnext_dense.io.coco_format import IGNORE_REGION
from convnext_dense.io.image_size import ImageSize

SIZE = ImageSize(120, 160)


def detected_image(
    true: Sequence[tuple] = (), predicted: Sequence[tuple] = (), crowd: Sequence[bool] = (), path: str = 'a.jpg'
) -> DetectedImage:
    """Build an image from (box, label) of its objects and (box, label, score) of predictions."""
    boxes = np.array([box for box, _ in true], np.float64).reshape(-1, 4)
    truth = TrueObjects(
        boxes,
        np.array([label for _, label in true], np.int64),
        np.array(crowd or [False] * len(true), bool),
        (boxes[:, 2:] - boxes[:, :2]).prod(axis=1),
    )
    return DetectedImage(
        path,
        SIZE,
        np.array([box for box, _, _ in predicted], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in predicted], np.float32),
        np.array([label for _, label, _ in predicted], np.int64),
        truth,
    )


def overlaps_of(images, masks=False):
    return [object_overlaps(image, masks) for image in images]


def matches_of(images, classes=2, thresholds=COCO_THRESHOLDS, masks=False, **options):
    return match_objects(images, overlaps_of(images, masks), classes, thresholds, masks, **options)


def random_images(count: int, classes: int, seed: int, masks: bool = False, ties: bool = True) -> list[DetectedImage]:
    """Draw images whose predictions are objects that were moved, and others; with crowds, ignore regions and ties."""
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        boxes = random_boxes(rng, int(rng.integers(0, 7)))
        labels = rng.integers(0, classes, len(boxes))
        crowd = rng.random(len(boxes)) < 0.15
        labels[crowd & (rng.random(len(boxes)) < 0.3)] = IGNORE_REGION
        seen = rng.random(len(boxes)) < 0.7
        moved = [boxes[seen] + rng.normal(0, 4, boxes[seen].shape) for _ in range(2)]
        near = np.concatenate([*moved, random_boxes(rng, 3)])
        near = np.hstack([near[:, :2], np.maximum(near[:, 2:], near[:, :2] + 2)]).astype(np.float32)
        guess = np.concatenate([labels[seen], labels[seen], rng.integers(0, classes, 3)])
        guess = np.where((rng.random(len(guess)) < 0.25) | (guess < 0), rng.integers(0, classes, len(guess)), guess)
        scores = rng.random(len(guess)).astype(np.float32)
        scores = scores.round(1) if ties else scores
        true_masks = [ellipse(box) for box in boxes] if masks else None
        if true_masks and number % 3 == 0:
            true_masks[0] = None  # an object without a mask
        truth = TrueObjects(boxes, labels, crowd, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * 0.8, true_masks)
        own = [ellipse(box) for box in near] if masks else None
        images.append(DetectedImage(f'{number:03}.jpg', SIZE, near, scores, guess, truth, own))
    return images


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(0, (110, 70), (count, 2))
    return np.hstack([corners, corners + rng.uniform(4, 60, (count, 2))])


def ellipse(box: np.ndarray) -> dict:
    """Draw the ellipse in a box as a compressed RLE."""
    x1, y1, x2, y2 = np.asarray(box, np.float64)
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    inside = ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1
    encoded = coco_mask.encode(np.asfortranarray(inside, np.uint8))
    return {'size': list(SIZE), 'counts': encoded['counts'].decode('ascii')}
