"""Reconstruction: what a network paints where patches of an image are hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from ..io.band_images import stretch
from .drawing import panel_places, side_by_side
from .result import Result
from .writing import save_drawing

HIDDEN = 127
"""Gray level of hidden patches in drawings."""
DRAWN_SIDE = 224
"""Pixels of a side of the drawn images at least; smaller ones are enlarged by a whole factor."""


class ReconstructionEntry(TypedDict):
    """A reconstruction in a JSON file."""

    path: str | None
    loss: float
    hidden: float
    """Share of the patches that were hidden, in [0, 1]."""


class Panel(TypedDict):
    """A part of a drawing."""

    name: str
    box: tuple[int, int, int, int]
    """Left, top, width and height, in pixels of the drawing."""


@dataclass(frozen=True, eq=False)
class Reconstruction(Result):
    """An image as the network saw it, and what it painted.

    Attributes:
        path: the image's file, or None.
        original: uint8 (H, W, 3), RGB, the network's input: resized and cropped; of bands three that are shown.
        painted: uint8 (H, W, 3), RGB, what the network paints from the visible patches, for all patches.
        hidden: bool (h, w), True for hidden patches, of which each is (H / h, W / w) pixels.
        loss: the loss over the hidden patches.
    """

    original: np.ndarray
    painted: np.ndarray
    hidden: np.ndarray
    loss: float

    @classmethod
    def from_prediction(cls, prediction: Mapping, mean: np.ndarray, std: np.ndarray) -> Reconstruction:
        """Convert a prediction of :class:`~convnext_dense.models.FCMAE` for one image.

        Args:
            prediction: with ``target``, ``reconstruction``, ``mask`` and ``loss``.
            mean, std: (3,), of the input's normalization, of RGB values from 0 to 255.
        """
        images = [
            prediction[key].float().cpu().permute(1, 2, 0).numpy() * std + mean for key in ('target', 'reconstruction')
        ]
        original, painted = (np.nan_to_num(image).round().clip(0, 255).astype(np.uint8) for image in images)
        hidden = prediction['mask'].cpu().numpy().astype(bool)
        return cls(prediction.get('path'), original, painted, hidden, float(prediction['loss']))

    @classmethod
    def of_bands(cls, prediction: Mapping, shown: Sequence[int]) -> Reconstruction:
        """Convert a prediction for bands of an image.

        Args:
            prediction: as in :meth:`from_prediction`.
            shown: the three channels, from 0, that are shown as red, green and blue, each from its 2nd to its 98th
                percentile in the input.
        """
        target, reconstruction = (
            prediction[key].float().cpu().numpy()[list(shown)].transpose(1, 2, 0)
            for key in ('target', 'reconstruction')
        )
        hidden = prediction['mask'].cpu().numpy().astype(bool)
        original, painted = stretch(target), stretch(reconstruction, like=target)
        return cls(prediction.get('path'), original, painted, hidden, float(prediction['loss']))

    @property
    def masked(self) -> np.ndarray:
        """The original with gray in place of hidden patches, uint8 (H, W, 3)."""
        return np.where(self._hidden_pixels, np.uint8(HIDDEN), self.original)

    @property
    def composed(self) -> np.ndarray:
        """The visible patches of the original, and the painted ones in place of the hidden, uint8 (H, W, 3)."""
        return np.where(self._hidden_pixels, self.painted, self.original)

    @property
    def _hidden_pixels(self) -> np.ndarray:
        rows, columns = (a // b for a, b in zip(self.original.shape, self.hidden.shape, strict=False))
        return self.hidden.repeat(rows, 0).repeat(columns, 1)[..., None]

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the original, the masked image, the painted one, and both composed, side by side.

        Args:
            out: the file to write, in the format of its suffix; None writes no file.
            image: not used, since the network saw a part of the image, which is drawn.
        """
        notes = {'masked': f', {self.hidden.mean():.0%} hidden', 'reconstructed': f', loss {self.loss:.3f}'}
        panels = [(f'{name}{notes.get(name, "")}', pixels) for name, pixels in self._panels().items()]
        return save_drawing(side_by_side(panels), out)

    def panels(self) -> list[Panel]:
        """Return where the parts of the drawing are, from left to right."""
        parts = self._panels()
        return [{'name': name, 'box': box} for name, box in zip(parts, panel_places([*parts.values()]), strict=True)]

    def _panels(self) -> dict[str, np.ndarray]:
        """Return the parts of the drawing, enlarged if they are small."""
        factor = max(1, -(-DRAWN_SIDE // max(self.original.shape[:2])))
        parts = {
            'original': self.original,
            'masked': self.masked,
            'reconstructed': self.painted,
            'composed': self.composed,
        }
        return {name: pixels.repeat(factor, 0).repeat(factor, 1) for name, pixels in parts.items()}

    def as_json(self) -> ReconstructionEntry:
        return {'path': self.path, 'loss': self.loss, 'hidden': float(self.hidden.mean())}
