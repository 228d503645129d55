"""Neighbors in space, against comparing all with all."""

import numpy as np
import pytest
import torch
import torchvision

from convnext_dense.tiling import neighbors
from convnext_dense.tiling.neighbors import box_iou, connected, neighbor_pairs


@pytest.mark.parametrize('reach', [0, 4])
def test_pairs_are_all_that_touch_of_the_same_class(reach, monkeypatch):
    monkeypatch.setattr(neighbors, 'QUERIES', 37)
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 200, (150, 2))
    boxes, labels = np.hstack([corners, corners + rng.integers(1, 20, (150, 2))]), rng.integers(0, 3, 150)
    found = [
        pair for i, j in neighbor_pairs(boxes, labels, reach) for pair in zip(i.tolist(), j.tolist(), strict=True)
    ]
    expected = {
        (i, j)
        for i in range(150)
        for j in range(i + 1, 150)
        if labels[i] == labels[j]
        and (np.maximum(boxes[i, :2], boxes[j, :2]) <= np.minimum(boxes[i, 2:], boxes[j, 2:]) + 2 * reach).all()
    }
    assert len(found) == len(set(found)) and set(found) == expected and len(expected) > 20


def test_iou_is_that_of_torchvision():
    corners = np.random.default_rng(0).uniform(0, 30, (2, 50, 2))
    first, second = (np.hstack([c, c + 10 + np.arange(50)[:, None] / 5]).astype(np.float32) for c in corners)
    theirs = torchvision.ops.box_iou(torch.from_numpy(first), torch.from_numpy(second)).diagonal()
    np.testing.assert_allclose(box_iou(first, second), theirs, atol=1e-5)
    assert box_iou(np.zeros((1, 4)), np.zeros((1, 4))) == 0


def test_groups_are_connected_through_others():
    groups = connected(np.array([[0, 4, 2], [3, 3, 5]]), 6)
    assert groups[0] == groups[3] == groups[4] and groups[2] == groups[5]
    assert len(set(groups.tolist())) == 3
    assert connected(np.zeros((2, 0), int), 3).tolist() == [0, 1, 2]
