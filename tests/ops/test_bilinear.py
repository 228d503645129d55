"""Bilinear samples as four cells, and the samples of RoI ops, against their definitions."""

import pytest
import torch
from torch import Tensor

from convnext_dense.ops import bilinear
from convnext_dense.ops.bilinear import alike, along, bins_of, corners, rows
from tests.helpers.op_definitions import border_bilinear, compare, roi_samples

POSITIONS = [(0.3, 1.7), (-0.4, 2.2), (2.6, 3.9), (1.4, -0.8), (-1.2, 1.3), (1.1, 4.5), (3.4, 1.5)]


def test_samples_are_sums_of_four_cells_and_differentiable() -> None:
    cells = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    y, x = torch.tensor(POSITIONS, dtype=torch.float64).T.clone().requires_grad_().unbind()
    y, x = y.detach().requires_grad_(), x.detach().requires_grad_()

    def definition(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
        return torch.stack([border_bilinear(cells, *position) for position in zip(y, x, strict=True)])

    def by_corners(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
        index, weight = corners(y, x, 3, 4)
        return (rows(cells[None])[index] * weight[..., None]).sum(0)

    compare(by_corners, definition, cells, y, x)


def test_a_position_that_is_nan_has_no_weight() -> None:
    nan = torch.tensor([float('nan'), 1.0])
    index, weight = corners(nan, nan.flip(0), 3, 4)
    assert not weight.any() and index.min() >= 0 and index.max() < 12


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 3])
def test_boxes_are_sampled_as_defined_and_grouped_by_their_samples(
    sampling_ratio: int, aligned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rois = torch.tensor([[0, 1, 2, 9, 9], [2, 0, 0, 30, 4], [1, 1, 1, 1, 1], [0, 3, 3, 11, 10], [0, 5, 5, 1, 9]])
    rois, size = rois.double(), (2, 3)
    bins = bins_of(rois, 0.5, size, sampling_ratio, aligned)
    assert bins.image.tolist() == [0, 2, 1, 0, 0]
    monkeypatch.setattr(bilinear, 'CHUNK', 30)
    seen = []
    for chosen, down, across in alike(bins, numbers_per_sample=3):
        assert len(chosen) == 1 or len(chosen) * 3 * down * across <= 30
        for box in chosen.tolist():
            seen.append(box)
            start, extent = bins.start[box], bins.extent[box]
            y = along(start[:1], extent[:1], size[0], down)[0]
            x = along(start[1:], extent[1:], size[1], across)[0]
            if not down * across:  # a box with negative extent, or none
                assert sampling_ratio == 0 and (extent <= 0).any()
                continue
            for (i, j), samples in roi_samples(rois[box], size, 0.5, sampling_ratio, aligned).items():
                expected = torch.tensor(samples, dtype=torch.float64)
                found = torch.cartesian_prod(y[i], x[j])
                torch.testing.assert_close(found.view(-1, 2), expected)
    assert sorted(seen) == [0, 1, 2, 3, 4]
