"""Nearest neighbors, against a loop over all pairs."""

import math

import numpy as np
import torch

from convnext_dense.probe import knn


def naive(query: np.ndarray, bank: np.ndarray, labels: list[int], k: int, classes: int) -> list[float]:
    cosines = [float(query @ one / np.linalg.norm(query) / np.linalg.norm(one)) for one in bank.astype(np.float64)]
    votes = [0.0] * classes
    for index in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
        votes[labels[index]] += math.exp(cosines[index] / 0.07)
    return votes


def test_votes_are_those_of_a_loop(monkeypatch):
    rng = np.random.default_rng(0)
    bank, queries = (rng.normal(size=(n, 6)).astype(np.float32) for n in (57, 23))
    labels = rng.integers(0, 4, 57)
    for at_a_time in ((1000, 1000), (4, 11), (5, 3)):  # the last: fewer in a part than neighbors
        monkeypatch.setattr(knn, 'QUERIES', at_a_time[0])
        monkeypatch.setattr(knn, 'BANK', at_a_time[1])
        similarities, indices = knn.nearest(queries, bank, 10)
        votes = knn.vote(similarities, torch.from_numpy(labels)[indices], 4)
        expected = [naive(query.astype(np.float64), bank, labels.tolist(), 10, 4) for query in queries]
        torch.testing.assert_close(votes, torch.tensor(expected), rtol=1e-4, atol=1e-2)


def test_an_image_of_the_bank_is_its_own_nearest_neighbor():
    bank = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    similarities, indices = knn.nearest(bank * 3, bank, 2)
    assert indices[:, 0].tolist() == list(range(30))
    torch.testing.assert_close(similarities[:, 0], torch.ones(30))
