"""Graphs of classifiers: class logits or probabilities."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .graphs import Graph, Normalization


class ClassLogits(Graph):
    """Graph of a classifier's logits."""

    outputs = {'logits': 'float32 (N, classes), before softmax'}

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (self.model(self.normalized(image)),)

    reference = forward


class ClassProbabilities(ClassLogits):
    """Graph of a classifier's probabilities."""

    outputs = {'probabilities': 'float32 (N, classes), each image sums to 1'}

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return (super().forward(image)[0].softmax(dim=1),)

    reference = forward
