"""Labels that are probably wrong, as a ranked list; and those of images, by confident learning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .records import ClassifiedImage

SuspectKind = Literal['class', 'box', 'no object', 'no label', 'duplicate', 'leak']


@dataclass(frozen=True)
class Suspect:
    """A label that is probably wrong, of an image, of an object, or of a region.

    Attributes:
        path: the image's file.
        kind: ``'class'``: it seems to be of another class; ``'box'``: the object seems to lie elsewhere;
            ``'no object'``: nothing of the kind seems to be there; ``'no label'``: an object seems to have no label;
            ``'duplicate'``: almost the same image has another label; ``'leak'``: almost the same image is among those
            of training.
        strength: how strong the disagreement is, in [0, 1].
        label: the given class; None for ``'no label'`` and where classes play no part.
        suggested: the class that seems right; None if none does.
        box: left, top, right and bottom edge in pixels; None for the whole image. For ``'box'`` and ``'no label'`` the
            predicted one.
        truth: number of the annotated object; None without one.
        score: of the class that seems right, in [0, 1]; None where there is none.
        other_path: the other image of ``'duplicate'`` and ``'leak'``.
    """

    path: str
    kind: SuspectKind
    strength: float
    label: int | None = None
    suggested: int | None = None
    box: tuple[float, float, float, float] | None = None
    truth: int | None = None
    other_path: str | None = None
    score: float | None = None


def ranked(suspects: Iterable[Suspect]) -> list[Suspect]:
    """Sort suspects, the strongest first, and those of equal strength by path."""
    return sorted(suspects, key=lambda one: (-one.strength, one.path))


def suspect_images(images: Sequence[ClassifiedImage]) -> list[Suspect]:
    """Find images whose class is probably wrong, by confident learning, the most suspected first.

    The threshold of a class is the mean score of this class over the images that are labeled with it. Among the
    classes with a score of at least their threshold, the one with the highest score is the class that seems right: a
    class which a model is never sure of needs no high score (Northcutt et al. 2021, arXiv:1911.00068, equations 1 and
    2). An image is suspected if that is another one than its label, and its score is higher, and ranked by the
    difference between the two scores, as in the paper's pruning by noise rate.

    Args:
        images: with scores of a model that did not learn these images, such as those of a validation set or of
            cross-validation: a model repeats wrong labels that it has learned.
    """
    if not images:
        return []
    classes = len(images[0].scores)
    sums, counts = np.zeros(classes), np.zeros(classes)
    for image in images:
        sums[image.label] += image.scores[image.label]
        counts[image.label] += 1
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    suspects = []
    for image in images:
        scores = image.scores  # once: of many classes they are put together each time
        right = int(np.where(scores >= thresholds, scores, -1).argmax())
        margin = float(scores[right]) - float(scores[image.label])
        if scores[right] >= thresholds[right] and margin > 0:
            suspects.append(Suspect(image.path, 'class', margin, image.label, right, score=float(scores[right])))
    return ranked(suspects)
