"""Segmentation result of an image so large that its label map stays in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io.georeference import Georeference
from ..io.image_size import ImageSize
from ..io.rasters import open_raster
from ..io.shrunk_image import shrink_factor, shrink_labels
from ..io.window import Window
from .drawing import draw_label_map
from .label_map import Read, SegmentationEntry, class_areas, count_labels, unlabeled
from .polygons import write_file_polygons
from .result import Result
from .writing import image_to_draw_on, save_drawing


@dataclass(frozen=True, eq=False)
class LabelMapFile(Result):
    """The class of each pixel of an image, in a TIFF file.

    Attributes:
        path: the image's file, or None.
        file: the label map, in which class k has the number k + ``first_label``.
        size: height and width of the image.
        counts: pixels of each class, int64 (K,).
        names: K class names.
        colors: uint8 (K, 3), RGB.
        first_label: the number of class 0 in the file, 0 or 1.
    """

    file: Path
    size: ImageSize
    counts: np.ndarray
    names: Sequence[str]
    colors: np.ndarray
    first_label: int = 0

    @classmethod
    def of(
        cls, path: str | None, file: Path, names: Sequence[str], colors: np.ndarray, first_label: int = 0
    ) -> LabelMapFile:
        """Read the size and the counts of a label map.

        Args:
            path: the image's file, or None.
            file: the label map, a TIFF.
            names: K class names.
            colors: (K, 3), RGB.
            first_label: the number of class 0 in the file, 0 or 1.

        Raises:
            UserError: if it can't be read.
        """
        with open_raster(file, max_pixels=sys.maxsize) as raster:
            read: Read = lambda window: raster.read(window)[..., 0]  # noqa: E731
            counts = count_labels(read, raster.size, len(names) + first_label)[first_label:]
            return cls(path, file, raster.size, counts, names, np.asarray(colors, np.uint8), first_label)

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the image tinted in the classes' colors, above a legend; see :meth:`Result.draw`."""
        factor = shrink_factor(self.size, self.drawn_side)
        pixels = image_to_draw_on(self.path, image, self.size, self.value_range, self.opening, factor)
        with open_raster(self.file, max_pixels=sys.maxsize) as raster:

            def read(window: Window) -> np.ndarray:
                labels = raster.read(window)[..., 0]
                return np.where(labels < self.first_label, unlabeled(raster.dtype), labels - self.first_label)

            labels = shrink_labels(read, self.size, factor)
        shares = self.counts / (self.size.height * self.size.width)
        ignore = unlabeled(raster.dtype)
        drawn = draw_label_map(pixels, labels, self.names, self.colors, ignore, shares=shares)
        return save_drawing(drawn, out)

    def as_json(self) -> SegmentationEntry:
        return class_areas(self.path, self.size, self.counts, self.names, self.first_label)

    def save_polygons(self, out: Path, georeference: Georeference) -> int:
        return write_file_polygons(self.file, out, self.names, self.first_label)
