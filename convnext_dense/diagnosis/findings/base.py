"""What is found about a model, for all tasks: what is shown, and plain numbers that advice follows from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..content import Gallery, Headline, Section
from ..suspects import Suspect


@dataclass(frozen=True)
class ClassFacts:
    """Numbers of a class. Metrics are in percent, and None where they are not defined.

    Attributes:
        name: its name.
        examples: what was tested of it: images, objects, pixels or segments, as :attr:`Facts.unit` says.
        images: images that it occurs in.
        metric: its main metric: F1 in classification, else AP, IoU or PQ.
        low: lower bound of the interval of the metric.
        high: upper bound.
        precision: share of what is predicted as the class that is right.
        recall: share of the class that is found.
    """

    name: str
    examples: int
    images: int
    metric: float | None
    low: float | None = None
    high: float | None = None
    precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True)
class GroupFacts:
    """Numbers of a group of objects, such as small ones: their count, share in percent, and AP in percent."""

    objects: int
    share: float
    metric: float | None


@dataclass(frozen=True)
class ConfusionFacts:
    """A class that is taken for another one.

    Attributes:
        true: name of the class.
        predicted: name of the other one.
        times: how often.
        share_of_class: percent of the true class.
        share_of_errors: percent of all confusions of classes.
    """

    true: str
    predicted: str
    times: int
    share_of_class: float
    share_of_errors: float


@dataclass(frozen=True)
class Facts:
    """Plain numbers about a model, from which rules derive what to try next.

    Attributes:
        metric: name of the main metric: ``'top-1'``, ``'box AP'``, ``'mask AP'``, ``'mIoU'`` or ``'PQ'``.
        value: the main metric in percent; None if it is not defined.
        low: lower bound of its interval.
        high: upper bound.
        images: tested images.
        unit: what examples are: ``'images'``, ``'objects'``, ``'pixels'`` or ``'segments'``.
        classes: of each class.
        confusions: the largest confusions of classes, without background, the most frequent first.
        error_costs: of kinds of errors of detectors (:data:`~convnext_dense.diagnosis.detection_errors.KINDS`), the
            points of AP50 that each costs; empty for other tasks.
        error_counts: errors of each of these kinds, of predictions that count.
        sizes: ``'small'``, ``'medium'`` and ``'large'`` objects as COCO has them; empty for other tasks.
        aspects: ``'tall'``, ``'square'`` and ``'wide'`` objects; empty for other tasks.
        calibration_error: expected calibration error in percent; None but in classification.
        overconfidence: mean confidence minus accuracy in percent points: above 0 for a model that is too sure.
        suspects: labels that predictions contradict strongly.
        judges_labels: whether the model is good enough for its suspicions to mean something.
        labels: labels that could be: images, objects or, for pixels, labeled images.
        best_score: the score from which on objects are best kept, in [0, 1]; None but for objects.
        pixel_accuracy: share of pixels that are right; None for other tasks.
        boundary: mean boundary F1 in percent; None if it was not measured.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    images: int
    unit: str
    classes: Sequence[ClassFacts]
    confusions: Sequence[ConfusionFacts] = ()
    error_costs: Mapping[str, float] = field(default_factory=dict)
    error_counts: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, GroupFacts] = field(default_factory=dict)
    aspects: Mapping[str, GroupFacts] = field(default_factory=dict)
    calibration_error: float | None = None
    overconfidence: float | None = None
    suspects: int = 0
    labels: int = 0
    best_score: float | None = None
    pixel_accuracy: float | None = None
    boundary: float | None = None
    judges_labels: bool = True


class ObjectFindings(NamedTuple):
    """What became of each object of an image, in the order of its record.

    Attributes:
        predicted: of each prediction ``'right'``, a kind of error, or ``'ignored'`` if it neither counts as right nor
            as wrong.
        true: of each annotated object ``'found'``, ``'missed'`` or ``'ignored'``, if the predictions count that reach
            the best score of their class.
    """

    predicted: Sequence[str]
    true: Sequence[str]


@dataclass(frozen=True)
class Findings:
    """All that is found in the records of a data set.

    Attributes:
        headlines: main numbers, the most important first.
        sections: what to show. Images of galleries are numbers of records: see :func:`with_shown_images`.
        suspects: labels that are probably wrong, the most suspected first.
        values: how well each image is predicted, in percent, by path; None where that is not defined.
        image_findings: kinds of errors in each image, by path.
        facts: numbers for advice.
        best_scores: the score from which on objects of a class are best kept, by class name; None but for objects.
        best_score: that of all classes; None but for objects.
        objects: what became of each object, by path; None but for objects.
    """

    headlines: Sequence[Headline]
    sections: Sequence[Section]
    suspects: Sequence[Suspect]
    values: Mapping[str, float | None]
    image_findings: Mapping[str, Sequence[str]]
    facts: Facts
    best_scores: dict[str, float] | None = None
    best_score: float | None = None
    objects: Mapping[str, ObjectFindings] | None = None


def gallery_images(sections: Sequence[Section]) -> list[int]:
    """List the records that galleries show, in ascending order: those that a page needs images of."""
    galleries = (block for section in sections for block in section.blocks if isinstance(block, Gallery))
    return sorted({number for gallery in galleries for number in gallery.images})


def with_shown_images(sections: Sequence[Section], shown: Sequence[int]) -> list[Section]:
    """Let galleries refer to the images that are shown, of which not all records may be.

    Args:
        sections: whose galleries have numbers of records.
        shown: numbers of the records that are shown, in the order in which they are.

    Returns:
        The sections, whose galleries have places in ``shown``; images that are not there are left out.
    """
    places = {number: place for place, number in enumerate(shown)}

    def renumbered(gallery: Gallery) -> Gallery:
        kept = [(image, text) for image, text in zip(gallery.images, gallery.captions, strict=True) if image in places]
        return replace(gallery, images=[places[image] for image, _ in kept], captions=[text for _, text in kept])

    return [
        replace(
            section,
            blocks=[renumbered(block) if isinstance(block, Gallery) else block for block in section.blocks],
        )
        for section in sections
    ]
