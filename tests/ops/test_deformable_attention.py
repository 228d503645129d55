"""Deformable attention against its definition: bilinear samples of each level, weighted and added up."""

import math
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.helpers.op_definitions import compare
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED, largest

SHAPES = torch.tensor([[3, 4], [2, 2]])


def sample(level: Tensor, x: float, y: float) -> Tensor:
    """The bilinear sample of (H, W, C) at x and y in [0, 1]; cell centers are at (i + 0.5) / side, outside is 0."""
    height, width, channels = level.shape
    column, row = x * width - 0.5, y * height - 0.5
    total = level.new_zeros(channels)
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < height and 0 <= j < width:
                total = total + level[i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return total


def reference(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    batch, queries, heads, levels, points = weights.shape
    output = value.new_zeros(batch, queries, heads, value.shape[-1])
    for n in range(batch):
        for q in range(queries):
            for h in range(heads):
                start = 0
                for level in range(levels):
                    height, width = SHAPES[level].tolist()
                    cells = value[n, start : start + height * width, h].reshape(height, width, -1)
                    start += height * width
                    for p in range(points):
                        x, y = locations[n, q, h, level, p].tolist()
                        output[n, q, h] += weights[n, q, h, level, p] * sample(cells, x, y)
    return output.flatten(2)


@pytest.mark.parametrize('device', DEVICES)
def test_sums_and_gradients_are_those_of_the_definition(ext: ModuleType, device: str) -> None:
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(2, 16, 2, 3, generator=generator, dtype=torch.float64)
    locations = torch.rand(2, 5, 2, 2, 2, 2, generator=generator, dtype=torch.float64) * 1.2 - 0.1
    weights = torch.rand(2, 5, 2, 2, 2, generator=generator, dtype=torch.float64)
    shapes, starts = SHAPES.to(device), torch.tensor([0, 12], device=device)
    inputs = [tensor.to(device) for tensor in (value, locations, weights)]

    def run(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        return ext.ms_deform_attn_forward(value, shapes, starts, locations, weights, im2col_step=64)

    assert torch.allclose(run(*inputs).cpu(), reference(value, locations, weights))
    outer = torch.randn(2, 5, 6, generator=generator, dtype=torch.float64).to(device)
    gradients = [torch.zeros_like(tensor) for tensor in inputs]
    ext.ms_deform_attn_backward(inputs[0], shapes, starts, *inputs[1:], outer, *gradients, im2col_step=64)
    step = 1e-6
    for filled, tensor in zip(gradients, inputs, strict=True):
        for index in torch.randperm(tensor.numel(), generator=generator)[:6].tolist():
            values = []
            for sign in (1, -1):
                tensor.view(-1)[index] += sign * step
                values.append((run(*inputs) * outer).sum().item())
                tensor.view(-1)[index] -= sign * step
            assert filled.view(-1)[index].item() == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-5)


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
def test_the_function_that_a_gpu_takes_is_the_one_of_a_cpu(device: str) -> None:
    """Through mmcv's autograd function, beside mmcv's own form for CPUs; and for no queries."""
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction as Attention
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

    generator = torch.Generator().manual_seed(2)
    shapes, starts = SHAPES.to(device), torch.tensor([0, 12], device=device)

    def op(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        inputs = (value.to(device), shapes, starts, locations.to(device), weights.to(device))
        return Attention.apply(*inputs, 64).cpu()

    def own(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        return multi_scale_deformable_attn_pytorch(value, SHAPES, locations, weights)

    for queries in (5, 0):
        value = torch.randn(2, 16, 2, 3, generator=generator, dtype=torch.float64)
        locations = torch.rand(2, queries, 2, 2, 3, 2, generator=generator, dtype=torch.float64) * 1.2 - 0.1
        weights = torch.rand(2, queries, 2, 2, 3, generator=generator, dtype=torch.float64)
        inputs = [tensor.requires_grad_() for tensor in (value, locations, weights)]
        if queries:
            compare(op, own, *inputs)
        else:
            (gradient,) = torch.autograd.grad(op(*inputs).sum(), value)
            assert not gradient.any()


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_attention_in_reduced_precision(ext: ModuleType, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = [torch.randn(1, 16, 2, 3, generator=generator), torch.rand(1, 4, 2, 2, 2, 2, generator=generator)]
    inputs = [tensor.to(dtype) for tensor in (*inputs, torch.rand(1, 4, 2, 2, 2, generator=generator))]
    shapes, starts = SHAPES, torch.tensor([0, 12])
    output = ext.ms_deform_attn_forward(inputs[0], shapes, starts, *inputs[1:], 64)
    wide = [tensor.float() for tensor in inputs]
    expected = ext.ms_deform_attn_forward(wide[0], shapes, starts, *wide[1:], 64)
    assert output.dtype == dtype and torch.equal(output, expected.to(dtype))
    filled, outer = [torch.zeros_like(tensor) for tensor in inputs], torch.ones_like(output)
    ext.ms_deform_attn_backward(inputs[0], shapes, starts, *inputs[1:], outer, *filled, 64)
    assert all(gradient.any() for gradient in filled)


def test_only_the_samples_of_one_level_are_in_memory(ext: ModuleType) -> None:
    value, locations, weights = torch.randn(1, 12, 2, 16), torch.rand(1, 50, 2, 3, 4, 2), torch.rand(1, 50, 2, 3, 4)
    levels = (value, torch.full((3, 2), 2), torch.tensor([0, 4, 8]), locations, weights)
    of_one_level = 2 * 16 * 50 * 4
    assert largest(lambda: ext.ms_deform_attn_forward(*levels, 64)) == of_one_level
    filled = [torch.zeros_like(tensor) for tensor in (value, locations, weights)]
    assert largest(lambda: ext.ms_deform_attn_backward(*levels, torch.rand(1, 50, 32), *filled, 64)) == of_one_level
