"""Images of a test, as a diagnosis takes them: their records, and what is kept of those that may be shown."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from ..io.image_size import ImageSize
from .content import ShownObject
from .panoptic_quality import image_quality
from .records import ClassifiedImage, DetectedImage, PanopticImage, SegmentedImage
from .segmentation import image_iou
from .suspect_regions import ContradictedImage

AnyRecord: TypeAlias = ClassifiedImage | DetectedImage | SegmentedImage | PanopticImage


class DiagnosedImage(NamedTuple):
    """An image of a test.

    Attributes:
        record: prediction and ground truth.
        size: of the image; None where the record is without positions.
        contradicted: regions where prediction and label map differ; None but in segmentation, or without scores.
        has_truth: False for an image without ground truth: its record has none, or counts of no pixel.
    """

    record: AnyRecord
    size: ImageSize | None = None
    contradicted: ContradictedImage | None = None
    has_truth: bool = True


PACKING = 1
"""Level of compression: the fastest."""
NO_PIXELS = np.zeros((0, 0), np.uint8)


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """The classes of an image's pixels, shrunk to the size at which they are shown.

    Attributes:
        predicted: uint8 or uint16 (h, w), classes from 0; the largest value is no class.
        truth: the true classes; None without ground truth.
        predicted_objects: segments of things; None but in panoptic segmentation.
        true_objects: the annotated ones; None but in panoptic segmentation, or without ground truth.
    """

    predicted: np.ndarray
    truth: np.ndarray | None
    predicted_objects: Sequence[ShownObject] | None = None
    true_objects: Sequence[ShownObject] | None = None


@dataclass(frozen=True, eq=False)
class PackedMaps:
    """Label maps that are compressed, some kilobytes of an image."""

    maps: LabelMaps
    """Without pixels."""
    pixels: Mapping[str, tuple[bytes, tuple[int, ...], str]]

    @classmethod
    def of(cls, maps: LabelMaps) -> PackedMaps:
        """Compress label maps."""
        found = {name: array for name in ('predicted', 'truth') if (array := getattr(maps, name)) is not None}
        pixels = {
            name: (zlib.compress(array.tobytes(), PACKING), array.shape, array.dtype.str)
            for name, array in found.items()
        }
        return cls(replace(maps, predicted=NO_PIXELS, truth=None), pixels)

    def unpacked(self) -> LabelMaps:
        """Return the label maps."""
        arrays = {
            name: np.frombuffer(zlib.decompress(data), kind).reshape(shape)
            for name, (data, shape, kind) in self.pixels.items()
        }
        return replace(self.maps, **arrays)  # type: ignore[arg-type]


def map_value(record: SegmentedImage) -> float:
    """Return how well the pixels of an image are predicted, in percent, by which those to be shown are chosen.

    It is the mean IoU of the classes in the image, in panoptic segmentation their mean PQ; NaN without ground truth.
    """
    return image_quality(record.tallies) if isinstance(record, PanopticImage) else 100 * image_iou(record)
