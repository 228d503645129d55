"""Focal loss against its definition, and its gradient against torch's."""

from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.helpers.op_definitions import compare
from tests.helpers.ops import DEVICES, OURS_ONLY, REDUCED


def reference(logits: Tensor, target: Tensor, weight: Tensor | None, gamma: float, alpha: float) -> Tensor:
    """FL = -alpha_t (1 - p_t)^gamma log(p_t), element by element, in double precision."""
    loss = torch.zeros_like(logits)
    for n, row in enumerate(logits.unbind()):
        for k, x in enumerate(row.unbind()):
            hit = int(target[n]) == k
            p = 1 / (1 + (-x).exp())
            p_t, alpha_t = (p, alpha) if hit else (1 - p, 1 - alpha)
            loss[n, k] = -alpha_t * (1 - p_t) ** gamma * p_t.log()
            if weight is not None and int(target[n]) < logits.shape[1]:
                loss[n, k] = loss[n, k] * weight[int(target[n])]
    return loss


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('reduction', ['sum', 'mean', 'none'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.5, 0.6)])
def test_loss_and_gradient_are_those_of_the_definition(
    device: str, reduction: str, weighted: bool, gamma: float, alpha: float
) -> None:
    from mmcv.ops import SigmoidFocalLoss

    target = torch.tensor([0, 1, 2, 3, 4, 4, 1])  # 4 is the background
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else None
    logits = 3 * torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def op(logits: Tensor) -> Tensor:
        scale = weight.to(device, logits.dtype) if weighted else None
        return SigmoidFocalLoss(gamma, alpha, scale, reduction)(logits.to(device), target.to(device)).cpu()

    def definition(logits: Tensor) -> Tensor:
        loss = reference(logits, target, weight, gamma, alpha)
        return {'sum': loss.sum(), 'mean': loss.sum() / 7, 'none': loss}[reduction]

    compare(op, definition, logits.requires_grad_())


@pytest.mark.parametrize('dtype', REDUCED)
def test_losses_of_nothing_and_in_reduced_precision(ext: ModuleType, dtype: torch.dtype) -> None:
    logits, target = torch.randn(5, 3).to(dtype), torch.tensor([0, 1, 2, 3, 0])
    for rows in (5, 0):
        filled, expected = torch.zeros(rows, 3, dtype=dtype), torch.zeros(rows, 3)
        for op in (ext.sigmoid_focal_loss_forward, ext.sigmoid_focal_loss_backward):
            op(logits[:rows], target[:rows], torch.empty(0), filled, gamma=2.0, alpha=0.25)
            op(logits[:rows].float(), target[:rows], torch.empty(0), expected, gamma=2.0, alpha=0.25)
            assert torch.equal(filled, expected.to(dtype))


def test_extreme_logits_have_finite_losses_and_gradients(ext: ModuleType) -> None:
    logits, target = torch.tensor([[-200.0, 200.0], [200.0, -200.0]]), torch.tensor([0, 2])
    loss, gradient = torch.zeros(2, 2), torch.zeros(2, 2)
    ext.sigmoid_focal_loss_forward(logits, target, torch.empty(0), loss, gamma=2.0, alpha=0.25)
    ext.sigmoid_focal_loss_backward(logits, target, torch.empty(0), gradient, gamma=2.0, alpha=0.25)
    assert loss.tolist() == [[50.0, 150.0], [150.0, 0.0]]  # alpha or 1 - alpha times the distance to the other side
    assert gradient.tolist() == [[-0.25, 0.75], [0.75, 0.0]]


# ------------------------------------------------- of softmax


@OURS_ONLY
@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('reduction', ['sum', 'mean'])
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.5, 0.6)])
def test_softmax_focal_loss_is_its_definition(
    device: str, reduction: str, weighted: bool, gamma: float, alpha: float
) -> None:
    """FL = -alpha (1 - p)^gamma log(p), with the p of the label."""
    from mmcv.ops import SoftmaxFocalLoss

    target = torch.tensor([0, 1, 2, 3, -1, 3, 1])  # -1 has no loss
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else None
    logits = 3 * torch.randn(7, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def op(logits: Tensor) -> Tensor:
        scale = weight.to(device, logits.dtype) if weighted else None
        loss = SoftmaxFocalLoss(gamma, alpha, scale, reduction)
        return loss(logits.to(device), target.to(device)).cpu()

    def definition(logits: Tensor) -> Tensor:
        total = logits.new_zeros(())
        for row, label in zip(logits, target.tolist(), strict=True):
            if label >= 0:
                p = row[label].exp() / row.exp().sum()
                total = total - alpha * (1 - p) ** gamma * p.log() * (weight[label] if weighted else 1)
        return total / 7 if reduction == 'mean' else total

    compare(op, definition, logits.requires_grad_())


@OURS_ONLY
@pytest.mark.parametrize('dtype', REDUCED)
def test_softmax_focal_loss_at_the_ends_of_nothing_and_in_reduced_precision(dtype: torch.dtype) -> None:
    from mmcv.ops import softmax_focal_loss

    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]]).to(dtype).requires_grad_()
    for gamma in (0.5, 2.0):
        loss = softmax_focal_loss(logits, torch.tensor([0, 0]), gamma, 0.25, None, 'sum')
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.dtype == gradient.dtype == dtype
        assert loss.isfinite() and gradient.tolist() == [[0, 0], [-0.25, 0.25]]
    nothing = softmax_focal_loss(logits[:0], torch.empty(0, dtype=torch.long), 2.0, 0.25, None, 'sum')
    assert nothing == 0
