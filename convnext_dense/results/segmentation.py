"""Segmentation result: the class of each pixel of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..io.georeference import Georeference
from ..io.image_size import ImageSize
from ..io.images import UNLABELED
from ..io.mask_box import box_around
from ..io.shrunk_image import shrink_factor, shrink_labels
from .drawing import draw_label_map
from .label_map import SegmentationEntry, class_areas, count_labels, unlabeled
from .polygons import write_label_polygons
from .result import Result, import_supervision
from .writing import image_to_draw_on, save_drawing, save_image

LEGEND_ROWS = 3
"""Rows of the legend below each frame of a video; fixed, because all frames must have the same size."""


@dataclass(frozen=True, eq=False)
class Segmentation(Result):
    """The class of each pixel of an image.

    Attributes:
        path: the image's file, or None.
        labels: uint8 (H, W), in [0, K), or 255 where ground truth is unlabeled. Of more than 255 classes, from tiles
            of a large image, uint16.
        names: K class names.
        colors: uint8 (K, 3), RGB.
        first_label: label of class 0 in the masks that the model was trained on. It is added to the classes in files.
    """

    labels: np.ndarray
    names: Sequence[str]
    colors: np.ndarray
    first_label: int = 0

    @classmethod
    def from_sample(
        cls,
        sample: Any,
        names: Sequence[str],
        colors: Sequence | np.ndarray,
        kind: str = 'pred',
        first_label: int = 0,
    ) -> Segmentation:
        """Convert the ``pred_sem_seg`` of mmseg's ``SegDataSample``, or its ``gt_sem_seg`` if ``kind`` is ``'gt'``."""
        labels = sample.get(f'{kind}_sem_seg').data[0].cpu().numpy().astype(np.uint8, copy=False)
        return cls(sample.get('img_path'), labels, names, np.array(colors, np.uint8), first_label)

    def draw(
        self, out: str | Path | None = None, image: np.ndarray | None = None, legend_rows: int | None = None
    ) -> np.ndarray:
        """Draw the image tinted in the classes' colors, above a legend; see :meth:`Result.draw`.

        Args:
            out, image: see :meth:`Result.draw`.
            legend_rows: maximum number of rows of the legend, the largest classes first; None for no limit.
        """
        size = ImageSize.of(self.labels)
        factor = shrink_factor(size, self.drawn_side)
        pixels = image_to_draw_on(self.path, image, size, self.value_range, self.opening, factor)
        labels, shares = self.labels, None
        if factor > 1:
            labels = shrink_labels(lambda window: self.labels[window.slices], size, factor)
            shares = self._counts() / self.labels.size
        ignore = unlabeled(self.labels.dtype)
        drawn = draw_label_map(pixels, labels, self.names, self.colors, ignore, legend_rows, shares)
        return save_drawing(drawn, out)

    def draw_frame(self, frame: np.ndarray) -> np.ndarray:
        return self.draw(image=frame, legend_rows=LEGEND_ROWS)

    def as_json(self) -> SegmentationEntry:
        return class_areas(self.path, ImageSize.of(self.labels), self._counts(), self.names, self.first_label)

    def _counts(self) -> np.ndarray:
        """Count the pixels of each class, int64 (K,)."""
        size, classes = ImageSize.of(self.labels), len(self.names)
        return count_labels(lambda window: self.labels[window.slices], size, classes)

    def save_labels(self, out: str | Path) -> None:
        """Write the label map as a PNG whose pixel values are the numbers of the masks that the model was trained on.

        Class k has the number k + ``first_label``, and pixels without a class 255, so that the file can be used as a
        mask of the same data set. The palette has the classes' colors.

        Labels of uint16 become a PNG of 16 bits, without a palette, in which 65,535 is no class.

        Raises:
            UserError: if the file can't be written.
        """
        if self.labels.dtype != np.uint8:
            none = unlabeled(self.labels.dtype)
            save_image(Image.fromarray(np.where(self.labels == none, none, self.labels + self.first_label)), out)
            return
        labels = np.where(self.labels == UNLABELED, UNLABELED, self.labels + np.uint8(self.first_label))
        colors = np.zeros((256, 3), np.uint8)
        colors[self.first_label :][: len(self.colors)] = self.colors
        indices = Image.fromarray(labels.astype(np.uint8))
        indices.putpalette(colors.tobytes())
        save_image(indices, out)

    def save_extra_files(self, *files: Path) -> None:
        (label_map,) = files
        self.save_labels(label_map)

    def save_polygons(self, out: Path, georeference: Georeference) -> int:
        return write_label_polygons(out, self.labels, georeference, self.names, self.first_label, str(self.path))

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``, with one detection for all pixels of each present class.

        Raises:
            UserError: if the supervision package is not installed.
        """
        present = np.setdiff1d(self.labels, unlabeled(self.labels.dtype))
        masks = self.labels == present[:, None, None]
        return import_supervision().Detections(
            xyxy=np.array([box_around(mask) for mask in masks], np.float32).reshape(-1, 4),
            mask=masks,
            class_id=present.astype(np.int64),
            data={'class_name': np.array([self.names[k] for k in present], dtype=str)},
        )
