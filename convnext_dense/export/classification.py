"""Graphs of classifiers: class logits or probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from ..io.image_size import ImageSize
from .graphs import Graph, Normalization


class ClassLogits(Graph):
    """Graph of a classifier's logits."""

    outputs = {'logits': 'float32 (N, classes), before softmax'}

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.model(self.normalized(image)),)

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        return {'logits': self.model(self.normalized(image))}

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        return [{'scores': scores.numpy()} for scores in outputs[0].softmax(dim=1)]


class ClassProbabilities(ClassLogits):
    """Graph of a classifier's probabilities."""

    outputs = {'probabilities': 'float32 (N, classes), each image sums to 1'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().forward(image)[0].softmax(dim=1),)

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        return {}

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        return [{'scores': scores.numpy()} for scores in outputs[0]]
