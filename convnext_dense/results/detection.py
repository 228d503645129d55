"""Detection result: boxes, scores, classes and masks of the objects in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ..io.coco_format import CocoImage, RunLengths
from ..io.image_size import ImageSize
from .drawing import draw_instances, palette
from .result import Result, import_supervision
from .rle import encode_masks
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
        masks: bool (N, H, W), or None from a detector without masks.
        names: K class names.
        category_ids: K ids of the classes in the COCO file that the detector was trained on, or None if unknown.
        image_id: the image's id in results files, or None.
    """

    size: ImageSize
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    names: Sequence[str]
    category_ids: Sequence[int] | None = None
    image_id: int | None = None

    @classmethod
    def from_sample(cls, sample: Any, names: Sequence[str], category_ids: Sequence[int] | None = None) -> Detection:
        """Convert the ``pred_instances`` of mmdet's ``DetDataSample``."""
        instances = sample.pred_instances.cpu().numpy()
        masks = instances.masks.astype(bool, copy=False) if 'masks' in instances else None
        boxes, scores = instances.bboxes.astype(np.float32), instances.scores.astype(np.float32)
        path, size = sample.get('img_path'), ImageSize(*sample.ori_shape[:2])
        labels = instances.labels.astype(np.int64, copy=False)  # some heads return no objects with labels of floats
        return cls(path, size, boxes, scores, labels, masks, names, category_ids)

    def above(self, score: float) -> Detection:
        """Return the detections with a score of at least ``score``."""
        keep = self.scores >= score
        masks = None if self.masks is None else self.masks[keep]
        return replace(self, boxes=self.boxes[keep], scores=self.scores[keep], labels=self.labels[keep], masks=masks)

    def with_image_id(self, image_id: int) -> Detection:
        return replace(self, image_id=image_id)

    def coco_image(self) -> CocoImage | None:
        if self.image_id is None or self.path is None:
            return None
        return {'id': self.image_id, 'file_name': self.path, 'height': self.size.height, 'width': self.size.width}

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw boxes with names and scores, and masks, over the image; see :meth:`Result.draw`."""
        names, colors = drawable_names(self.names), palette(len(self.names))[self.labels]
        tags = [f'{names[label]} {score:.0%}' for label, score in zip(self.labels, self.scores, strict=True)]
        pixels = image_to_draw_on(self.path, image, self.size, self.value_range, self.opening)
        return save_drawing(draw_instances(pixels, self.boxes, tags, colors, self.masks), out)

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
            for entry, mask in zip(entries, encode_masks(self.masks), strict=True):
                entry['segmentation'] = mask
        return entries

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``, with the names in ``data['class_name']``.

        Raises:
            UserError: if the supervision package is not installed.
        """
        return import_supervision().Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores,
            class_id=self.labels,
            data={'class_name': np.array([self.names[k] for k in self.labels], dtype=str)},
        )
