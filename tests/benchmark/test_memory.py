"""Activation memory against what a small network must keep."""

import torch
from torch import nn

from convnext_dense.benchmark.memory import memory_of

CPU = torch.device('cpu')


def test_it_counts_each_saved_storage_once_and_no_parameters():
    network = nn.Sequential(nn.Linear(10, 20), nn.Sigmoid(), nn.Linear(20, 5))
    x = torch.randn(7, 10)

    def loss():
        return network(x).square().sum()

    # the input for the first weight; the sigmoid's output for itself and the last weight; its output for the square
    expected = 4 * (7 * 10 + 7 * 20 + 7 * 5)
    assert memory_of(loss, loss, network, CPU) == expected
    assert memory_of(loss, loss, None, CPU) > expected  # with the weight of the last layer
    assert memory_of(loss, None, network, CPU) is None
