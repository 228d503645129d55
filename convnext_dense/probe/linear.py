"""Multinomial logistic regression on fixed features: the linear probe.

Minimized over the weight W (K, C) and the bias b is the mean cross-entropy plus ``strength / 2`` times the sum of the
squares of W, for features that are standardized: each channel has mean 0 and variance 1 over the training images, as
by the BatchNorm without affine parameters in MAE's linear probing (arXiv 2111.06377, A.1). So one strength means the
same for all networks. The bias is free. The problem is convex, and L-BFGS with a strong Wolfe line search solves it in
float64 on all images at once, from zeros: the result has no randomness.

The strength is chosen from :data:`STRENGTHS`, like that of CLIP's linear probes by a search over powers of ten
(arXiv 2103.00020, A.3), by the accuracy on images that are held out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

STRENGTHS = tuple(10.0**power for power in range(-6, 2))
"""Strengths of the regularization to choose from."""
CHUNK = 8_192
"""Images whose features are converted to float64 at a time."""
KEPT_BYTES = 2**30
"""Up to here the standardized features are kept in float64; larger ones are converted anew in each step."""
MAX_STEPS = 2_000
CONVERGED = 1e-16
"""Change of the loss below which it is minimal, which is that of float64."""
NEARLY_CONVERGED = 1e-3
"""The same for the choice of the strength, which needs the accuracy alone: a share of the strength, up to 1e-7."""


class Problem:
    """The features and labels that a linear classifier is fitted to, standardized.

    In memory are up to :data:`KEPT_BYTES`, or one chunk in float64, besides the logits of a chunk.

    Args:
        features: (N, C), in memory or mapped from a file.
        labels: (N,), class indices in [0, K).
        num_classes: K.
        rows: indices of the images to fit to; None for all.
        balanced: weigh all classes alike, whatever their numbers of images.
        device: device of the computation, which must know float64.
    """

    def __init__(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        rows: np.ndarray | None = None,
        balanced: bool = False,
        device: str = 'cpu',
    ) -> None:
        self.features, self.labels, self.num_classes = features, labels, num_classes
        self.rows = np.arange(len(labels)) if rows is None else rows
        self.device = device
        counts = np.bincount(labels[self.rows], minlength=num_classes)
        present = (counts > 0).sum()
        of_class = len(self.rows) / present / np.maximum(counts, 1) if balanced else np.ones(num_classes)
        self.class_weights = torch.from_numpy(of_class).to(device)
        self.mean, self.std = self._moments()
        self._kept: list[tuple[Tensor, Tensor]] | None = None
        if len(self.rows) * features.shape[1] * 8 <= KEPT_BYTES:
            self._kept = list(self._standardized())

    def fit(self, strength: float, start: Solution | None = None, tolerance: float = CONVERGED) -> Solution:
        """Minimize the loss.

        Args:
            strength: factor of half the sum of squares, above 0.
            start: the solution for another strength, to start from; None for zeros.
            tolerance: change of the loss from one step to the next below which it is minimal.
        """
        shape = self.num_classes, self.features.shape[1]
        weight = torch.zeros(shape, dtype=torch.float64, device=self.device)
        bias = torch.zeros(self.num_classes, dtype=torch.float64, device=self.device)
        if start is not None:
            weight, bias = start.weight.clone(), start.bias.clone()
        parameters = [weight.requires_grad_(), bias.requires_grad_()]
        optimizer = torch.optim.LBFGS(
            parameters,
            max_iter=MAX_STEPS,
            tolerance_grad=0,
            tolerance_change=tolerance,
            history_size=20,
            line_search_fn='strong_wolfe',
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            total = strength / 2 * weight.pow(2).sum()
            total.backward()  # type: ignore[no-untyped-call]
            total = total.detach()
            for x, y in self._kept or self._standardized():
                each = F.cross_entropy(x @ weight.T + bias, y, self.class_weights, reduction='sum')
                part = each / len(self.rows)
                part.backward()  # type: ignore[no-untyped-call]
                total += part.detach()
            return total

        optimizer.step(loss)
        steps = optimizer.state[weight]['n_iter']
        return Solution(weight.detach(), bias.detach(), steps, steps < MAX_STEPS)

    def layer(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Return weight (K, C) and bias (K,) of a linear layer for features as they are, float64 on the CPU."""
        weight = solution.weight / self.std
        return weight.cpu(), (solution.bias - weight @ self.mean).cpu()

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each channel; that of a constant channel is 1."""
        zero = torch.zeros(self.features.shape[1], dtype=torch.float64, device=self.device)
        mean = sum((x.sum(0) for x, _ in self._chunks()), zero) / len(self.rows)
        std = (sum(((x - mean).pow(2).sum(0) for x, _ in self._chunks()), zero) / len(self.rows)).sqrt()
        rounding = torch.finfo(torch.float32).eps * mean.abs()
        return mean, torch.where(std > 10 * rounding, std, 1.0)

    def _standardized(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in self._chunks():
            yield (x - self.mean) / self.std, y

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.rows), CHUNK):
            rows = self.rows[start : start + CHUNK]
            features = torch.from_numpy(np.array(self.features[rows], np.float64))
            yield features.to(self.device), torch.from_numpy(self.labels[rows]).long().to(self.device)


class Solution(NamedTuple):
    """The minimum of a :class:`Problem`."""

    weight: Tensor
    """(K, C), float64, for standardized features."""
    bias: Tensor
    """(K,), float64."""
    steps: int
    converged: bool


class Tried(NamedTuple):
    """A strength with its results on the images that were held out."""

    strength: float
    top1: float
    """Share of the images that are classified rightly, in percent; of a balanced problem the mean over classes."""
    loss: float
    """Mean cross-entropy."""


def try_strengths(
    features: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    held_out: np.ndarray,
    strengths: Sequence[float] = STRENGTHS,
    balanced: bool = False,
    device: str = 'cpu',
) -> Iterator[Tried]:
    """Fit to the images that are not held out, and measure on those that are, from the largest strength down.

    Args:
        features, labels, num_classes, balanced, device: see :class:`Problem`.
        held_out: (N,), True for the images that are held out.
        strengths: the strengths.
    """
    rows = np.flatnonzero(held_out)
    problem = Problem(features, labels, num_classes, np.flatnonzero(~held_out), balanced, device)
    solution = None
    for strength in sorted(strengths, reverse=True):
        solution = problem.fit(strength, solution, min(1e-7, NEARLY_CONVERGED * strength))
        weight, bias = problem.layer(solution)
        right, losses = [], []
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            logits = torch.from_numpy(np.array(features[part], np.float64)) @ weight.T + bias
            of_part = torch.from_numpy(labels[part]).long()
            right.append(logits.argmax(1) == of_part)
            losses.append(F.cross_entropy(logits, of_part, reduction='none'))
        is_right, loss = torch.cat(right).double().numpy(), torch.cat(losses).numpy()
        counts = np.bincount(labels[rows], minlength=num_classes)[labels[rows]]
        weights = 1 / counts if balanced else np.ones(len(rows))
        top1, mean_loss = (float(np.average(values, weights=weights)) for values in (is_right, loss))
        yield Tried(strength, top1 * 100, mean_loss)


def best_of(tried: Sequence[Tried]) -> Tried:
    """Return the best result: the highest accuracy, of equal ones the lowest cross-entropy, then the most regular."""
    return max(tried, key=lambda one: (one.top1, -one.loss, one.strength))
