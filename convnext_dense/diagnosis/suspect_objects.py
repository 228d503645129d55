"""Labels of objects that are probably wrong: confident predictions that contradict them, in either direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tiling.neighbors import box_iou
from .detection_curves import class_curves
from .detection_errors import BACKGROUND_IOU, FOREGROUND_IOU
from .matching import SIZES, Matches
from .overlaps import is_crowd
from .records import DetectedImage
from .suspects import Suspect, SuspectKind, ranked


def suspect_objects(
    images: Sequence[DetectedImage], overlaps: Sequence[np.ndarray], matches: Matches, masks: bool = False
) -> list[Suspect]:
    """Find annotated objects that are probably wrong, and objects that were probably not annotated.

    A prediction is confident if its score is at least the one with which its class has the highest F1 at an IoU of 0.5
    (:attr:`~convnext_dense.diagnosis.detection_curves.ScoreCurve.best`). The most suspected come first; there are four
    kinds:

    - ``'class'``: an object on which a confident prediction of another class lies, with an IoU of at least 0.5 and a
      higher score than all of its own class there. The strength is the difference between the two scores.
    - ``'box'``: an object that nothing found, and with which a confident prediction of its class, which found nothing,
      has an IoU of at least 0.1. The strength is score * (1 - IoU).
    - ``'no label'``: a confident prediction whose IoU with all objects is less than 0.1; of several at the same place
      the one with the highest score. The strength is the score.
    - ``'no object'``: another object near which scores are lower than near others of its class and size (small,
      medium, large as COCO has them), so that objects which are always hard to find are not suspected. The highest
      score of predictions with an IoU of at least 0.1 counts; the strength is half of how much lower it is than the
      mean: that a detector misses an object says less than what it predicts.

    Crowds and ignore regions are not suspected, and neither are predictions on them.

    Args:
        images: with predictions of a model that did not learn these images.
        overlaps: of each image, from :func:`~convnext_dense.diagnosis.overlaps.object_overlaps`.
        matches: of all objects, at 0.5 among other IoU thresholds.
        masks: whether ``overlaps`` are of masks.
    """
    at = matches.at(FOREGROUND_IOU)
    best = [curve.best for curve in class_curves(at, FOREGROUND_IOU)]
    thresholds = np.array([np.inf if one is None else one.score for one in best])
    busy = [(np.zeros(len(image), bool), np.zeros(len(image.truth), bool)) for image in images]
    partnered = np.flatnonzero(at.partners[0] >= 0).tolist()
    for row in partnered:
        predictions, objects = busy[at.images[row]]
        predictions[at.predictions[row]] = objects[at.partners[0, row]] = True
    suspects, near = [], []
    for image, overlap, (predictions, objects) in zip(images, overlaps, busy, strict=True):
        crowd = is_crowd(image, masks)
        confident = image.scores >= thresholds[image.labels]
        own = [
            *_of_class(image, overlap, confident, crowd),
            *_misplaced(image, overlap, confident & ~predictions, crowd | objects),
        ]
        suspects += [*own, *_unlabeled(image, overlap, confident)]
        named = {suspect.truth for suspect in own}
        scores = np.where(overlap >= BACKGROUND_IOU, image.scores[:, None], 0).max(axis=0, initial=0)
        near += [(image, truth, float(scores[truth]), truth in named) for truth in np.flatnonzero(~crowd).tolist()]
    return ranked([*suspects, *_absent(near)])


def _of_class(image: DetectedImage, overlap: np.ndarray, confident: np.ndarray, crowd: np.ndarray) -> list[Suspect]:
    on_object = overlap >= FOREGROUND_IOU
    same = image.labels[:, None] == image.truth.labels[None]
    others = np.where(on_object & ~same & confident[:, None], image.scores[:, None], 0)
    given = np.where(on_object & same, image.scores[:, None], 0).max(axis=0, initial=0)
    suspects = []
    for truth in np.flatnonzero((others.max(axis=0, initial=0) > given) & ~crowd).tolist():
        best = int(others[:, truth].argmax())
        strength = float(others[best, truth]) - float(given[truth])
        suspects.append(
            _suspect(
                image, 'class', strength, truth, int(image.labels[best]), image.truth.boxes[truth], others[best, truth]
            )
        )
    return suspects


def _misplaced(image: DetectedImage, overlap: np.ndarray, confident: np.ndarray, done: np.ndarray) -> list[Suspect]:
    same = image.labels[:, None] == image.truth.labels[None]
    close = same & confident[:, None] & ~done & (overlap >= BACKGROUND_IOU) & (overlap < FOREGROUND_IOU)
    strengths = np.where(close, image.scores[:, None] * (1 - overlap), 0)
    suspects = []
    for truth in np.flatnonzero(close.any(axis=0)).tolist():
        best = int(strengths[:, truth].argmax())
        label, strength = int(image.labels[best]), float(strengths[best, truth])
        suspects.append(_suspect(image, 'box', strength, truth, label, image.boxes[best], image.scores[best]))
    return suspects


def _unlabeled(image: DetectedImage, overlap: np.ndarray, confident: np.ndarray) -> list[Suspect]:
    alone = np.flatnonzero(confident & (overlap.max(axis=1, initial=0) < BACKGROUND_IOU))
    alone = alone[np.argsort(-image.scores[alone], kind='stable')]
    kept: list[int] = []
    for prediction in alone.tolist():
        others = image.boxes[kept]
        if not (box_iou(np.broadcast_to(image.boxes[prediction], others.shape), others) >= FOREGROUND_IOU).any():
            kept.append(prediction)
    return [
        _suspect(
            image,
            'no label',
            float(image.scores[one]),
            None,
            int(image.labels[one]),
            image.boxes[one],
            image.scores[one],
        )
        for one in kept
    ]


def _absent(near: Sequence[tuple[DetectedImage, int, float, bool]]) -> list[Suspect]:
    """List objects with lower scores nearby than others of their class and size, unless suspected anyway."""
    groups: dict[tuple[int, str], list[tuple[DetectedImage, int, float, bool]]] = {}
    for one in near:
        image, truth, _, _ = one
        size = next(name for name, within in SIZES.items() if image.truth.areas[truth] <= within.areas[1])
        groups.setdefault((int(image.truth.labels[truth]), size), []).append(one)
    suspects = []
    for group in groups.values():
        usual = float(np.mean([score for _, _, score, _ in group]))
        for image, truth, score, suspected in group:
            if score < usual and not suspected:
                suspects.append(
                    _suspect(image, 'no object', (usual - score) / 2, truth, None, image.truth.boxes[truth])
                )
    return suspects


def _suspect(
    image: DetectedImage,
    kind: SuspectKind,
    strength: float,
    truth: int | None,
    suggested: int | None,
    box: np.ndarray,
    score: float | None = None,
) -> Suspect:
    label = None if truth is None else int(image.truth.labels[truth])
    x1, y1, x2, y2 = (float(edge) for edge in box)
    return Suspect(
        image.path,
        kind,
        strength,
        label,
        suggested,
        (x1, y1, x2, y2),
        truth,
        score=None if score is None else float(score),
    )
