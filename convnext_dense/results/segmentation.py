"""The class of each pixel of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from .drawing import draw_label_map
from .result import Result, import_supervision
from .writing import image_to_draw_on, save_drawing, save_image

UNLABELED = 255
"""The label of pixels of no class, in label maps of ground truth."""
LEGEND_ROWS = 3
"""Rows of the legend below a frame of a video: as many for every frame, since all are of one size."""


class ClassArea(TypedDict):
    """A class with the number of its pixels, and its share of the whole image in [0, 1]."""

    label: int
    name: str
    pixels: int
    share: float


class SegmentationEntry(TypedDict):
    """A segmentation in a JSON file: height and width, and the classes that are present, the largest first."""

    path: str | None
    size: list[int]
    classes: list[ClassArea]


@dataclass(frozen=True, eq=False)
class Segmentation(Result):
    """The class of each pixel of an image.

    Attributes:
        path: the image's file; None if it came from none.
        labels: uint8 (H, W), in [0, K), or 255 where unlabeled, as ground truth may be.
        names: K class names.
        colors: uint8 (K, 3), RGB.
    """

    labels: np.ndarray
    names: Sequence[str]
    colors: np.ndarray

    @classmethod
    def from_sample(
        cls, sample: Any, names: Sequence[str], colors: Sequence | np.ndarray, kind: str = 'pred'
    ) -> Segmentation:
        """Convert the ``pred_sem_seg`` of mmseg's ``SegDataSample``, or with kind ``'gt'`` its ``gt_sem_seg``."""
        labels = sample.get(f'{kind}_sem_seg').data[0].cpu().numpy().astype(np.uint8, copy=False)
        return cls(sample.get('img_path'), labels, names, np.array(colors, np.uint8))

    def draw(
        self, out: str | Path | None = None, image: np.ndarray | None = None, legend_rows: int | None = None
    ) -> np.ndarray:
        """Draw the image in the classes' colors, over a legend; see :meth:`Result.draw`.

        Args:
            legend_rows: rows of the legend, which begins with the largest classes; None for as many as it takes.
        """
        pixels = image_to_draw_on(self.path, image, self.labels.shape)
        drawn = draw_label_map(pixels, self.labels, self.names, self.colors, UNLABELED, legend_rows)
        return save_drawing(drawn, out)

    def draw_frame(self, frame: np.ndarray) -> np.ndarray:
        return self.draw(image=frame, legend_rows=LEGEND_ROWS)

    def as_json(self) -> SegmentationEntry:
        counts = np.bincount(self.labels.ravel(), minlength=UNLABELED + 1)[:UNLABELED]
        present = [k for k in np.argsort(-counts, kind='stable').tolist() if counts[k]]
        classes: list[ClassArea] = [
            {'label': k, 'name': self.names[k], 'pixels': int(counts[k]), 'share': float(counts[k] / self.labels.size)}
            for k in present
        ]
        return {'path': self.path, 'size': list(self.labels.shape), 'classes': classes}

    def save_labels(self, out: str | Path) -> None:
        """Write the labels as a PNG whose palette has the colors: read as indices it is the label map.

        Raises:
            UserError: if it can't be written.
        """
        indices = Image.fromarray(self.labels)
        indices.putpalette(np.vstack([self.colors, np.zeros((256 - len(self.colors), 3), np.uint8)]).tobytes())
        save_image(indices, out)

    def save_extra_files(self, *files: Path) -> None:
        (label_map,) = files
        self.save_labels(label_map)

    def to_supervision(self) -> Any:
        """Convert to ``supervision.Detections``: for each class that is present, by its index, one of all its pixels.

        Raises:
            UserError: where the supervision package is not installed.
        """
        present = np.setdiff1d(self.labels, UNLABELED)
        masks = self.labels == present[:, None, None]
        return import_supervision().Detections(
            xyxy=np.array([_box_of(mask) for mask in masks], np.float32).reshape(-1, 4),
            mask=masks,
            class_id=present.astype(np.int64),
            data={'class_name': np.array([self.names[k] for k in present], dtype=str)},
        )


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest box around the pixels of a mask: left, top, right and bottom edge."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
