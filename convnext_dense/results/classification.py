"""Classification result: scores of all classes for one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from .drawing import draw_scores
from .result import Result
from .text import drawable_names
from .writing import image_to_draw_on, save_drawing


class ClassScore(TypedDict):
    """A class with its score in [0, 1]; ``label`` is its index in the class names."""

    label: int
    name: str
    score: float


class ClassificationEntry(TypedDict):
    """A classification in a JSON file, with its five highest scores in descending order."""

    path: str | None
    top: list[ClassScore]


@dataclass(frozen=True, eq=False)
class Classification(Result):
    """Scores of all classes for an image.

    Attributes:
        path: the image's file, or None.
        scores: float32 (K,), in [0, 1], with sum 1.
        names: K class names.
    """

    scores: np.ndarray
    names: Sequence[str]

    @classmethod
    def from_prediction(cls, prediction: Mapping, names: Sequence[str]) -> Classification:
        """Convert a prediction of :class:`~convnext_dense.models.ImageClassifier` for one image."""
        return cls(prediction.get('path'), prediction['scores'].float().cpu().numpy(), names)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return names and scores of the ``count`` classes with the highest scores, in descending order."""
        return [(self.names[k], float(self.scores[k])) for k in self._best(count)]

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the image above bars of the five highest scores; see :meth:`Result.draw`."""
        names = drawable_names(self.names)
        bars = [(names[k], float(self.scores[k])) for k in self._best(5)]
        pixels = image_to_draw_on(self.path, image, None, self.value_range, self.opening)
        return save_drawing(draw_scores(pixels, bars), out)

    def as_json(self) -> ClassificationEntry:
        top: list[ClassScore] = [
            {'label': k, 'name': self.names[k], 'score': float(self.scores[k])} for k in self._best(5)
        ]
        return {'path': self.path, 'top': top}

    def _best(self, count: int) -> list[int]:
        return np.argsort(-self.scores, kind='stable')[:count].tolist()
