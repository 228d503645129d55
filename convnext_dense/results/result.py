"""Base class of all results: predictions for one image as plain values."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..io.band_images import ShownBands
from ..io.coco_format import CocoImage
from ..io.georeference import Georeference
from ..io.opening import AS_USUAL, Opening
from ..io.value_range import ValueRange


@dataclass(frozen=True, eq=False)
class Result(ABC):
    """Predictions for one image.

    Attributes:
        path: the image's file, or None.
        value_range: the values of the image that become black and white, to draw on it.
        opening: how the image's file is opened, to draw on it.
        drawn_side: pixels of the longer side of drawings; a larger image is shrunk by a whole factor. None for the
            size of the image.
    """

    path: str | None
    value_range: ValueRange | ShownBands | None = field(default=None, kw_only=True)
    opening: Opening = field(default=AS_USUAL, kw_only=True)
    drawn_side: int | None = field(default=None, kw_only=True)

    @abstractmethod
    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the result on its image.

        Args:
            out: the file to write, in the format of its suffix; None writes no file.
            image: uint8 (H, W, 3), RGB, to draw on; None reads it from ``path``.

        Returns:
            The drawing, uint8 RGB; small images are enlarged, and those larger than :attr:`drawn_side` shrunk.

        Raises:
            UserError: if the image can't be read, its size differs from the result's, or ``out`` can't be written.
        """

    @abstractmethod
    def as_json(self) -> Mapping | Sequence[Mapping]:
        """Return the result as plain values: an entry for the image, or a list with an entry for each object."""

    def draw_frame(self, frame: np.ndarray) -> np.ndarray:
        """Draw the result on a frame of a video; drawings of frames of equal size have equal size.

        Args:
            frame: uint8 (H, W, 3), RGB.
        """
        return replace(self, drawn_side=None).draw(image=frame)

    def above(self, score: float | np.ndarray) -> Result:
        """Return the predictions that have at least a score; a result without scores is returned unchanged.

        Args:
            score: in [0, 1], or one for each class, (K,).
        """
        return self

    def with_image_id(self, image_id: Any) -> Result:
        """Return the result with the image's id in COCO's results files; a result of another kind is unchanged."""
        return self

    def coco_image(self) -> CocoImage | None:
        """Return the image's entry in a COCO file, for a result with an image id; None for one of another kind."""
        return None

    def with_extra_files(self, *files: Path) -> Result:
        """Return the result with the names of the files of :meth:`save_extra_files`, which its entry may have."""
        return self

    def save_extra_files(self, *files: Path) -> None:  # noqa: B027 - most results have none
        """Write the files that a demo saves besides the drawing, in the order of the task's ``extra_files``.

        Raises:
            UserError: if a file can't be written.
        """

    def save_polygons(self, out: Path, georeference: Georeference) -> int:
        """Write what has a place in the image as GeoJSON polygons.

        Args:
            out: the file.
            georeference: that of the image.

        Returns:
            The number of polygons.

        Raises:
            UserError: if the file can't be written, the result has no positions in the image, the georeference has no
                coordinate reference system, or rasterio is missing.
        """
        raise UserError(f'{out} cannot be made: the result has no positions in the image')


def import_supervision() -> Any:
    """Import and return the ``supervision`` package.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module('supervision')
    except ModuleNotFoundError:
        raise UserError('to_supervision() needs the supervision package: pip install supervision') from None
