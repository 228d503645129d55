"""Definitions of ops, written out cell by cell, which the tests of ops compare with."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

EXACT = dict(rtol=1e-11, atol=1e-11)
CLOSE = dict(rtol=1e-5, atol=1e-5)


def bilinear(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The bilinear sample of (C, H, W), 0 beyond; cell centers are at integers. Differentiable by all three."""
    total = cells.new_zeros(len(cells))
    top, left = math.floor(y.item()), math.floor(x.item())
    for i in (top, top + 1):
        for j in (left, left + 1):
            if 0 <= i < cells.shape[1] and 0 <= j < cells.shape[2]:
                total = total + cells[:, i, j] * (1 - (y - i).abs()) * (1 - (x - j).abs())
    return total


def border_bilinear(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The bilinear sample of (C, H, W), where a position less than a cell outside counts as on the border."""
    height, width = cells.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return cells.new_zeros(len(cells))
    return bilinear(cells, y.clamp(0, height - 1), x.clamp(0, width - 1))


def roi_samples(
    roi: Tensor, size: tuple[int, int], scale: float, sampling_ratio: int, aligned: bool
) -> dict[tuple[int, int], list[tuple[Tensor, Tensor]]]:
    """The positions (y, x) of the samples in each bin (row, column) of a box, by rows."""
    x1, y1, x2, y2 = (v * scale - 0.5 * aligned for v in roi[1:])
    height, width = (y2 - y1, x2 - x1) if aligned else ((y2 - y1).clamp(min=1), (x2 - x1).clamp(min=1))
    down = sampling_ratio or math.ceil(height / size[0])
    across = sampling_ratio or math.ceil(width / size[1])
    return {
        (i, j): [
            (y1 + (i + (k + 0.5) / down) * height / size[0], x1 + (j + (m + 0.5) / across) * width / size[1])
            for k, m in itertools.product(range(down), range(across))
        ]
        for i, j in itertools.product(range(size[0]), range(size[1]))
    }


def deform_conv(
    x: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    deform_groups: int,
) -> Tensor:
    """A convolution whose taps are moved by offsets (y, x) and weighted by a mask."""
    (outputs, inputs, down, across), (batch, channels) = weight.shape, x.shape[:2]
    height, width = offset.shape[2:]
    rows = []
    for n, i, j in itertools.product(range(batch), range(height), range(width)):
        columns = []
        for c in range(channels):
            part = c // (channels // deform_groups)
            for k, m in itertools.product(range(down), range(across)):
                tap = (part * down + k) * across + m
                y = i * stride[0] - padding[0] + k * dilation[0] + offset[n, 2 * tap, i, j]
                z = j * stride[1] - padding[1] + m * dilation[1] + offset[n, 2 * tap + 1, i, j]
                value = bilinear(x[n, c : c + 1], y, z)[0]
                columns.append(value if mask is None else value * mask[n, tap, i, j])
        of_group = torch.stack(columns).view(groups, inputs * down * across)
        kernels = weight.view(groups, outputs // groups, -1)
        rows.append((kernels @ of_group[..., None]).flatten())
    output = torch.stack(rows, 1).view(outputs, batch, height, width).transpose(0, 1)
    return output if bias is None else output + bias[:, None, None]


def compare(op: Callable[..., Tensor], definition: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Compare values and gradients by all inputs that need one, in float32 and float64, and check with gradcheck.

    Raises:
        AssertionError: if they differ.
    """
    for dtype, tolerance in ((torch.float64, EXACT), (torch.float32, CLOSE)):
        exact = [leaf(t, torch.float64) for t in inputs]
        ours = [leaf(t, dtype) for t in inputs]
        expected, found = definition(*exact), op(*ours)
        assert found.dtype == dtype
        torch.testing.assert_close(found, expected.to(dtype), **tolerance)
        differences = [(found - expected).abs().max()]
        outer = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        wanted = [i for i, t in enumerate(inputs) if t.requires_grad]
        expected_gradients = torch.autograd.grad(expected, [exact[i] for i in wanted], outer)
        gradients = torch.autograd.grad(found, [ours[i] for i in wanted], outer.to(dtype))
        for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
            assert gradient.dtype == dtype
            torch.testing.assert_close(gradient, expected_gradient.to(dtype), **tolerance)
            differences.append((gradient - expected_gradient).abs().max())
        print(f'{dtype}: {max(differences):.0e}')  # for docs/ops.md
    exact = [leaf(t, torch.float64) for t in inputs]
    assert torch.autograd.gradcheck(op, exact, fast_mode=True)


def leaf(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    return tensor.detach().to(dtype).requires_grad_(tensor.requires_grad)
