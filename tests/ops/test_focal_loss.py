"""Focal loss against its definition, and its gradient against torch's."""

from types import ModuleType

import pytest
import torch
from torch import Tensor

from tests.helpers.ops import DEVICES


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


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.5, 0.6)])
def test_loss_and_gradient_are_those_of_the_definition(
    ext: ModuleType, device: str, weighted: bool, gamma: float, alpha: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(7, 4, generator=generator)
    target = torch.tensor([0, 1, 2, 3, 4, 4, 1])  # 4 is the background
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else torch.empty(0)
    exact = logits.double().requires_grad_()
    expected = reference(exact, target, weight.double() if weighted else None, gamma, alpha)
    expected.sum().backward()
    places = [tensor.to(device) for tensor in (logits, target, weight)]
    loss, gradient = torch.zeros(7, 4, device=device), torch.zeros(7, 4, device=device)
    ext.sigmoid_focal_loss_forward(*places, loss, gamma=gamma, alpha=alpha)
    ext.sigmoid_focal_loss_backward(*places, gradient, gamma=gamma, alpha=alpha)
    assert torch.allclose(loss.cpu(), expected.float(), rtol=1e-4, atol=1e-6)
    assert torch.allclose(gradient.cpu(), exact.grad.float(), rtol=1e-4, atol=1e-6)


def test_extreme_logits_have_finite_losses_and_gradients(ext: ModuleType) -> None:
    logits, target = torch.tensor([[-200.0, 200.0], [200.0, -200.0]]), torch.tensor([0, 2])
    loss, gradient = torch.zeros(2, 2), torch.zeros(2, 2)
    ext.sigmoid_focal_loss_forward(logits, target, torch.empty(0), loss, gamma=2.0, alpha=0.25)
    ext.sigmoid_focal_loss_backward(logits, target, torch.empty(0), gradient, gamma=2.0, alpha=0.25)
    assert loss.tolist() == [[50.0, 150.0], [150.0, 0.0]]  # alpha or 1 - alpha times the distance to the other side
    assert gradient.tolist() == [[-0.25, 0.75], [0.75, 0.0]]
