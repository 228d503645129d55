"""Detection result: boxes, scores, classes and masks of the objects in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..errors import UserError
from ..io.coco_format import CocoImage, RunLengths
from ..io.georeference import Georeference
from ..io.image_size import ImageSize
from ..io.shrunk_image import shrink_factor
from ..tiling.tile_objects import MaskCrop, Objects
from .colors import class_colors, object_shades
from .drawing import draw_instances, tags_fit
from .polygons import write_objects
from .result import Result, import_supervision
from .rle import encode_crops, encode_masks
from .text import drawable_names
from .writing import image_to_draw_on, save_drawing


class BoxEntry(TypedDict):
    """A detection in a JSON file, as in COCO's results files; ``bbox`` is [x, y, width, height] in pixels."""

    image_id: int | None
    path: str | None
    category_id: int
    category: str
    bbox: list[float]
    score: float


class DetectionEntry(BoxEntry, total=False):
    """A detection in a JSON file, with its mask if the detector predicts masks."""

    segmentation: RunLengths


@dataclass(frozen=True, eq=False)
class Detection(Result):
    """The N detected objects of an image.

    Attributes:
        path: the image's file, or None.
        size: height and width of the image.
        boxes: float32 (N, 4), left, top, right and bottom edge in pixels.
        scores: float32 (N,), in [0, 1].
        labels: int64 (N,), in [0, K).
        masks: bool (N, H, W), or N crops of such masks, from tiles of a large image; None from a detector without
            masks.
        names: K class names.
        category_ids: K ids of the classes in the COCO file that the detector was trained on, or None if unknown.
        image_id: the image's id in results files, or None.
    """

    size: ImageSize
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | Sequence[MaskCrop] | None
    names: Sequence[str]
    category_ids: Sequence[int] | None = None
    image_id: int | None = None

    @classmethod
    def from_sample(cls, sample: Any, names: Sequence[str], category_ids: Sequence[int] | None = None) -> Detection:
        """Convert the ``pred_instances`` of mmdet's ``DetDataSample``."""
        instances = sample.pred_instances.cpu().numpy()
        masks = instances.get('masks')  # or crops of them, of a large image
        masks = masks.astype(bool, copy=False) if isinstance(masks, np.ndarray) else masks
        boxes, scores = instances.bboxes.astype(np.float32), instances.scores.astype(np.float32)
        path, size = sample.get('img_path'), ImageSize(*sample.ori_shape[:2])
        labels = instances.labels.astype(np.int64, copy=False)  # some heads return no objects with labels of floats
        return cls(path, size, boxes, scores, labels, masks, names, category_ids)

    @classmethod
    def of_objects(
        cls,
        path: str | None,
        size: ImageSize,
        objects: Objects,
        names: Sequence[str],
        category_ids: Sequence[int] | None = None,
    ) -> Detection:
        """Make a result of the merged objects of an image's tiles."""
        return cls(path, size, objects.boxes, objects.scores, objects.labels, objects.masks, names, category_ids)

    def mask(self, number: int) -> MaskCrop | None:
        """Return the mask of one of the objects, cropped; None if there are no masks."""
        mask = None if self.masks is None else self.masks[number]
        return MaskCrop.of(mask) if isinstance(mask, np.ndarray) else mask

    def above(self, score: float | np.ndarray) -> Detection:
        """Return the detections that have at least a score.

        Args:
            score: in [0, 1], or one for each class, (K,).
        """
        keep = self.scores >= (score if np.ndim(score) == 0 else np.asarray(score)[self.labels])
        masks = self.masks
        if masks is not None:
            masks = masks[keep] if isinstance(masks, np.ndarray) else [masks[i] for i in np.flatnonzero(keep).tolist()]
        return replace(self, boxes=self.boxes[keep], scores=self.scores[keep], labels=self.labels[keep], masks=masks)

    def with_image_id(self, image_id: int) -> Detection:
        return replace(self, image_id=image_id)

    def coco_image(self) -> CocoImage | None:
        if self.image_id is None or self.path is None:
            return None
        return {'id': self.image_id, 'file_name': self.path, 'height': self.size.height, 'width': self.size.width}

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw boxes with names and scores, and masks, over the image; see :meth:`Result.draw`.

        Where the names would cover the image of a result with a :attr:`drawn_side`, a legend with the numbers of
        objects stands below instead.
        """
        names, colors = drawable_names(self.names), class_colors(self.names)
        factor = shrink_factor(self.size, self.drawn_side)
        pixels = image_to_draw_on(self.path, image, self.size, self.value_range, self.opening, factor)
        masks = None
        if self.masks is not None:
            crops = (self.mask(number) for number in range(len(self.boxes)))
            masks = [crop.shrunk(factor) if factor > 1 else crop for crop in crops if crop is not None]
        tags = [f'{names[label]} {score:.0%}' for label, score in zip(self.labels, self.scores, strict=True)]
        legend, shades = [], object_shades(colors, self.labels)
        if self.drawn_side is not None and not tags_fit(pixels, tags):
            counts = np.bincount(self.labels, minlength=len(names))
            shades = colors[self.labels]  # that the legend shows
            legend = [(names[k], f'{counts[k]:,}', colors[k]) for k in np.argsort(-counts, kind='stable') if counts[k]]
        drawn = draw_instances(pixels, self.boxes / factor, tags, shades, masks, legend)
        return save_drawing(drawn, out)

    def as_json(self) -> list[DetectionEntry]:
        """Return entries as in COCO's results files, in the order of the boxes.

        Each has ``image_id`` (None if it is not known), ``path``, ``category_id`` (from ``category_ids``, or the label
        if there are none), ``category`` (the name), ``bbox`` [x, y, width, height], ``score`` and, if there are masks,
        ``segmentation``, a compressed RLE.
        """
        corners = self.boxes.astype(float)
        boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).tolist()
        ids = range(len(self.names)) if self.category_ids is None else self.category_ids
        rows = zip(self.labels.tolist(), boxes, self.scores.tolist(), strict=True)
        entries: list[DetectionEntry] = [
            {
                'image_id': self.image_id,
                'path': self.path,
                'category_id': ids[k],
                'category': self.names[k],
                'bbox': box,
                'score': score,
            }
            for k, box, score in rows
        ]
        if self.masks is not None:
            masks = self.masks
            encoded = encode_masks(masks) if isinstance(masks, np.ndarray) else encode_crops(masks, self.size)
            for entry, mask in zip(entries, encoded, strict=True):
                entry['segmentation'] = mask
        return entries

    def save_polygons(self, out: Path, georeference: Georeference) -> int:
        """Write a feature for each object, with its mask or else its box; see :meth:`Result.save_polygons`."""
        ids = range(len(self.names)) if self.category_ids is None else self.category_ids
        properties = [
            {'category_id': ids[k], 'category': self.names[k], 'score': float(score)}
            for k, score in zip(self.labels.tolist(), self.scores, strict=True)
        ]
        masks = [self.mask(number) for number in range(len(self.boxes))]
        return write_objects(out, georeference, self.boxes, masks, properties, str(self.path))

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``, with the names in ``data['class_name']``.

        Its masks are as large as the image, for each object: choose some objects of a large one first.

        Raises:
            UserError: if the supervision package is not installed, or the masks do not fit into the memory.
        """
        detections = import_supervision().Detections
        return detections(
            xyxy=self.boxes,
            mask=self._whole_masks(),
            confidence=self.scores,
            class_id=self.labels,
            data={'class_name': np.array([self.names[k] for k in self.labels], dtype=str)},
        )

    def _whole_masks(self) -> np.ndarray | None:
        """Return the masks as bool (N, H, W)."""
        if self.masks is None or isinstance(self.masks, np.ndarray):
            return self.masks
        try:
            masks = np.zeros((len(self.masks), *self.size), bool)
        except MemoryError:
            raise UserError(
                f'{len(self.masks)} masks of {self.size} pixels do not fit into the memory: choose some objects, such '
                'as result.above(0.8)'
            ) from None
        for mask, crop in zip(masks, self.masks, strict=True):
            mask[crop.window.slices] = crop.pixels
        return masks
