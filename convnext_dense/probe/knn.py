"""Classification by the most similar training images, without any training.

Weighted nearest neighbors of Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination"
(arXiv 1805.01978), with the numbers of neighbors and the temperature of DINO's ``eval_knn.py``
(github.com/facebookresearch/dino): each of the k training images with the highest cosine similarity s votes for its
class with exp(s / T).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

NEIGHBORS = (10, 20)
"""The numbers k."""
TEMPERATURE = 0.07
"""T."""
QUERIES, BANK = 512, 65_536
"""Images whose similarities are computed at a time: 128 MiB of float32."""


def nearest(queries: np.ndarray, bank: np.ndarray, k: int, device: str = 'cpu') -> tuple[Tensor, Tensor]:
    """Find the most similar features, in parts: the memory does not grow with the number of images.

    Args:
        queries: (Q, C).
        bank: (N, C), N at least k.
        k: number of neighbors.
        device: device of the computation.

    Returns:
        Cosine similarities (Q, k), float32, the highest first, and indices (Q, k) in the bank, on the CPU.
    """
    similarities, indices = torch.empty(len(queries), k), torch.empty(len(queries), k, dtype=torch.long)
    for first in range(0, len(bank), BANK):
        part = _normalized(bank[first : first + BANK], device)
        for start in range(0, len(queries), QUERIES):
            rows = slice(start, start + QUERIES)
            found = _normalized(queries[rows], device) @ part.T
            best, where = (t.cpu() for t in found.topk(min(k, len(part)), dim=1))
            where += first
            if first:
                best = torch.cat([similarities[rows], best], dim=1)
                where = torch.cat([indices[rows], where], dim=1)
            order = best.argsort(dim=1, descending=True, stable=True)[:, :k]
            filled = order.shape[1]  # less than k only before the whole bank was seen
            similarities[rows, :filled] = best.gather(1, order)
            indices[rows, :filled] = where.gather(1, order)
            similarities[rows, filled:] = -torch.inf
    return similarities, indices


def vote(similarities: Tensor, labels: Tensor, num_classes: int, temperature: float = TEMPERATURE) -> Tensor:
    """Add up the votes of neighbors.

    Args:
        similarities: (Q, k).
        labels: (Q, k), class indices in [0, K).
        num_classes: K.
        temperature: T.

    Returns:
        Votes (Q, K), of the type of the similarities.
    """
    votes = similarities.new_zeros(len(similarities), num_classes)
    return votes.scatter_add_(1, labels, (similarities / temperature).exp())


def _normalized(features: np.ndarray, device: str) -> Tensor:
    return F.normalize(torch.from_numpy(np.array(features, np.float32)).to(device), dim=1)
