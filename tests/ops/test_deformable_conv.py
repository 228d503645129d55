"""Deformable convolutions against their definition, through mmcv's own functions and modules."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.helpers.op_definitions import compare, deform_conv
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED

# groups, deform groups, stride, padding, dilation, kernel
CASES = [
    (1, 1, (1, 1), (1, 1), (1, 1), (3, 3)),
    (2, 1, (2, 1), (0, 1), (1, 2), (2, 3)),
    (1, 2, (1, 2), (2, 1), (2, 1), (3, 1)),
    (2, 4, (2, 2), (1, 0), (1, 1), (1, 2)),
    (4, 4, (1, 1), (0, 0), (1, 1), (1, 1)),
]


def inputs_of(case: tuple, seed: int = 0) -> list[Tensor]:
    """x, offset, mask, weight and bias; positions reach beyond the borders and are never on a cell's center."""
    groups, deform_groups, stride, padding, dilation, kernel = case
    generator = torch.Generator().manual_seed(seed)
    size, taps = (4, 3), deform_groups * kernel[0] * kernel[1]
    place = [
        (side + 2 * p - d * (k - 1) - 1) // s + 1
        for side, p, d, k, s in zip(size, padding, dilation, kernel, stride, strict=True)
    ]
    offset = torch.randint(-2, 2, (2, 2 * taps, *place), generator=generator)
    offset = offset + 0.1 + 0.8 * torch.rand(offset.shape, generator=generator)
    tensors = [
        torch.randn(2, 4, *size, generator=generator),
        offset,
        torch.rand(2, taps, *place, generator=generator),
        torch.randn(8, 4 // groups, *kernel, generator=generator),
        torch.randn(8, generator=generator),
    ]
    return [tensor.double().requires_grad_() for tensor in tensors]


@OURS_ONLY
@pytest.mark.parametrize('case', CASES)
def test_a_deformable_convolution_is_its_definition(case: tuple) -> None:
    from mmcv.ops import deform_conv2d

    groups, deform_groups, stride, padding, dilation, _ = case
    x, offset, _, weight, _ = inputs_of(case)

    def definition(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return deform_conv(x, offset, None, weight, None, stride, padding, dilation, groups, deform_groups)

    def op(x: Tensor, offset: Tensor, weight: Tensor) -> Tensor:
        return deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deform_groups)

    compare(op, definition, x, offset, weight)


@OURS_ONLY
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('case', CASES)
def test_a_modulated_deformable_convolution_is_its_definition(case: tuple, with_bias: bool) -> None:
    from mmcv.ops import modulated_deform_conv2d

    groups, deform_groups, stride, padding, dilation, _ = case
    x, offset, mask, weight, bias = inputs_of(case, seed=1)
    given = (x, offset, mask, weight, *((bias,) if with_bias else ()))

    def definition(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return deform_conv(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups)

    def op(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return modulated_deform_conv2d(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups)

    compare(op, definition, *given)


@OURS_ONLY
def test_offsets_of_a_finer_level_are_read_one_after_the_other_as_mmcvs_kernels_do() -> None:
    from mmcv.ops import modulated_deform_conv2d

    x, offset, mask, weight, bias = inputs_of(CASES[0])
    coarse = torch.randn(2, 4, 2, 2, dtype=torch.float64, requires_grad=True)

    def definition(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        taps = [t.flatten(1)[:, : t.shape[1] * 4].view(2, -1, 2, 2) for t in (offset, mask)]
        return deform_conv(x, *taps, weight, bias, (1, 1), (1, 1), (1, 1), 1, 1)

    compare(lambda *inputs: modulated_deform_conv2d(*inputs, 1, 1), definition, coarse, offset, mask, weight, bias)
    with pytest.raises(RuntimeError, match='offset output dims'):
        modulated_deform_conv2d(x, offset[..., :1], mask, weight, bias, 1, 1)


@OURS_ONLY
def test_a_neck_that_takes_offsets_of_other_levels_trains() -> None:
    from mmdet.models.necks import DyHead

    torch.manual_seed(0)
    neck = DyHead(16, 16, num_blocks=1, zero_init_offset=False)
    levels = [torch.randn(2, 16, side, side, requires_grad=True) for side in (8, 4, 2)]
    outputs = neck(levels)
    assert [output.shape for output in outputs] == [level.shape for level in levels]
    sum(output.square().mean() for output in outputs).backward()
    assert all(level.grad.any() for level in levels)


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
def test_without_offsets_it_is_a_convolution_and_nothing_is_learnt_from_beyond_the_border(device: str) -> None:
    """Before anything is learnt, taps of the padding lie exactly one cell outside; mmcv's kernels give them 0."""
    from mmcv.ops import deform_conv2d

    x = torch.randn(2, 3, 4, 5, device=device).double()
    weight = torch.randn(2, 3, 3, 3, device=device).double()
    offset = torch.zeros(2, 18, 4, 5, device=device, dtype=torch.float64, requires_grad=True)
    output = deform_conv2d(x, offset, weight, 1, 1)
    torch.testing.assert_close(output, nn.functional.conv2d(x, weight, padding=1))
    (gradient,) = torch.autograd.grad(output.sum(), offset)
    by_tap = gradient.view(2, 3, 3, 2, 4, 5)
    padded = nn.functional.pad(x, (1, 2, 1, 2))
    for i in range(3):
        for j in range(3):
            here, below, right = padded[:, :, i:, j:], padded[:, :, i + 1 :, j:], padded[:, :, i:, j + 1 :]
            for axis, beside in enumerate((below, right)):
                slope = (beside[:, :, :4, :5] - here[:, :, :4, :5]) * weight[:, :, i, j].sum(0)[:, None, None]
                expected = slope.sum(1)
                if i == 0:
                    expected[:, 0] = 0
                if j == 0:
                    expected[:, :, 0] = 0
                # the last row and column of the padding are cells of 0, at a derivative of 0
                if i == 2:
                    expected[:, -1] = 0
                if j == 2:
                    expected[:, :, -1] = 0
                torch.testing.assert_close(by_tap[:, i, j, axis], expected)


@OURS_ONLY
def test_the_weight_has_its_gradient_alone_and_after_a_second_backward() -> None:
    from mmcv.ops import deform_conv2d

    x, offset, _, weight, _ = inputs_of(CASES[0])
    output = deform_conv2d(x, offset, weight, 1, 1)
    for factor in (1.0, 3.0):
        outer = torch.full_like(output, factor)
        (beside,) = torch.autograd.grad(output, weight, outer, retain_graph=True)
        x_, offset_ = x.detach(), offset.detach()
        (alone,) = torch.autograd.grad(deform_conv2d(x_, offset_, weight, 1, 1), weight, outer)
        assert beside.abs().max() > 1
        torch.testing.assert_close(alone, beside)


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_deformable_convolutions_in_reduced_precision(dtype: torch.dtype) -> None:
    from mmcv.ops import modulated_deform_conv2d

    x, offset, mask, weight, bias = (tensor.detach().to(dtype) for tensor in inputs_of(CASES[0]))
    x.requires_grad_()
    wide = [tensor.detach().float() for tensor in (x, offset, mask, weight, bias)]
    wide[0].requires_grad_()
    output = modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1)
    expected = modulated_deform_conv2d(*wide, 1, 1)
    assert output.dtype == dtype and torch.equal(output, expected.to(dtype))
    (gradient,), (expected_gradient,) = (
        torch.autograd.grad(y.float().sum(), z) for y, z in ((output, x), (expected, wide[0]))
    )
    assert torch.equal(gradient, expected_gradient.to(dtype))


def modules() -> dict[str, Callable[[], nn.Module]]:
    from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack, SAConv2d

    return {
        'DCN': lambda: DeformConv2dPack(4, 6, 3, padding=1, groups=2, deform_groups=2),
        'DCNv2': lambda: ModulatedDeformConv2dPack(4, 6, 3, stride=2, padding=1, deform_groups=4),
        'SAC': lambda: SAConv2d(4, 6, 3, padding=1, use_deform=True),
    }


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('name', ['DCN', 'DCNv2', 'SAC'])
def test_modules_that_learn_their_offsets_train(name: str, device: str) -> None:
    torch.manual_seed(0)
    module = modules()[name]().to(device)
    x = torch.randn(2, 4, 7, 6, device=device, requires_grad=True)
    output = module(x)
    (output * torch.randn_like(output)).sum().backward()
    assert x.grad.abs().sum() > 0
    gradients = [p.grad for name, p in module.named_parameters() if name != 'bias']  # SAC has one that it ignores
    assert all(gradient.isfinite().all() for gradient in gradients)
    offsets = [p for name, p in module.named_parameters() if 'offset' in name]
    assert any(p.grad.abs().sum() > 0 for p in offsets)
