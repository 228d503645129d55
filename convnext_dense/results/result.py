"""The base of all results: predictions for one image as plain numbers."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError


@dataclass(frozen=True, eq=False)
class Result(ABC):
    """Predictions for one image.

    Attributes:
        path: the image's file; None if it came from none.
    """

    path: str | None

    @abstractmethod
    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the result on its image.

        Args:
            out: the file to write, its format told by its suffix; None for none.
            image: uint8 (H, W, 3), RGB, to draw on; None to read it again from ``path``.

        Returns:
            The drawing, uint8 RGB; small images are enlarged.

        Raises:
            UserError: if the image can't be read, is of another size than the result, or ``out`` can't be written.
        """

    @abstractmethod
    def as_json(self) -> Mapping | Sequence[Mapping]:
        """The result as plain values: one entry for the image, or a list with an entry for each thing in it."""

    def draw_frame(self, frame: np.ndarray) -> np.ndarray:
        """Draw the result on a frame of a video: frames of one size give drawings of one size.

        Args:
            frame: uint8 (H, W, 3), RGB.
        """
        return self.draw(image=frame)

    def above(self, score: float) -> Result:
        """Leave out predictions with a score below ``score``; a result without such scores stays as it is."""
        return self

    def save_extra_files(self, *files: Path) -> None:  # noqa: B027 - most results have none
        """Write the files that a demo leaves beside the drawing: those of the task's ``extra_files``, in their order.

        Raises:
            UserError: if one can't be written.
        """


def import_supervision() -> Any:
    """The ``supervision`` package.

    Raises:
        UserError: where it is not installed.
    """
    try:
        return importlib.import_module('supervision')
    except ModuleNotFoundError:
        raise UserError('to_supervision() needs the supervision package: pip install supervision') from None
