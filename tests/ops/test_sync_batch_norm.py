"""MMSyncBN in one process, against torch's batch normalization, and its parts as two processes would use them."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from tests.helpers.ops import OURS_ONLY


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group('gloo', init_method=f'file://{tmp_path}/exchange', rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@OURS_ONLY
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
@pytest.mark.parametrize('mode', ['default', 'N'])
def test_in_one_process_it_is_batch_normalization(one_process: None, dtype: torch.dtype, mode: str) -> None:
    from mmcv.ops import SyncBatchNorm

    torch.manual_seed(0)
    norm, expected_norm = SyncBatchNorm(3, stats_mode=mode), torch.nn.BatchNorm2d(3)
    expected_norm.load_state_dict(norm.state_dict())
    for _ in range(2):
        x = (2 * torch.randn(4, 3, 5, 2) + 1).to(dtype).requires_grad_()
        wide = x.detach().float().requires_grad_()
        output, expected = norm(x), expected_norm(wide)
        assert output.dtype == dtype
        tolerance = dict(rtol=1e-5, atol=1e-5) if dtype == torch.float32 else dict(rtol=2e-3, atol=2e-3)
        torch.testing.assert_close(output.float(), expected, **tolerance)
        outer = torch.randn(x.shape).to(dtype)
        gradients = torch.autograd.grad(output, (x, norm.weight, norm.bias), outer)
        expected_gradients = torch.autograd.grad(
            expected, (wide, expected_norm.weight, expected_norm.bias), outer.float()
        )
        for gradient, wanted in zip(gradients, expected_gradients, strict=True):
            torch.testing.assert_close(gradient.float(), wanted, **tolerance)
        for name, statistic in norm.state_dict().items():
            torch.testing.assert_close(statistic, expected_norm.state_dict()[name])


def test_two_processes_together_are_one_batch(ext: ModuleType) -> None:
    """The exchange is a mean over the processes; here it is written out."""
    torch.manual_seed(0)
    halves, weight, bias = torch.randn(2, 4, 3, 10), torch.rand(3), torch.rand(3)
    outer = torch.randn(2, 4, 3, 10)

    def exchanged(parts: list[Tensor]) -> Tensor:
        return torch.stack(parts).mean(0)

    means = [torch.zeros(3) for _ in halves]
    variances = [torch.zeros(3) for _ in halves]
    for half, mean in zip(halves, means, strict=True):
        ext.sync_bn_forward_mean(half, mean)
    mean = exchanged(means)
    for half, variance in zip(halves, variances, strict=True):
        ext.sync_bn_forward_var(half, mean, variance)
    variance = exchanged(variances)
    running = (torch.zeros(3), torch.ones(3))
    outputs, norms, std = torch.zeros_like(halves), torch.zeros_like(halves), torch.zeros(3)
    for half, norm, output in zip(halves, norms, outputs, strict=True):
        running = (torch.zeros(3), torch.ones(3))
        ext.sync_bn_forward_output(
            half, mean, variance, weight, bias, *running, norm, std, output, eps=1e-5, momentum=0.1, group_size=2
        )
    whole = halves.flatten(0, 1).clone().requires_grad_()
    expected_running = (torch.zeros(3), torch.ones(3))
    expected = torch.nn.functional.batch_norm(whole, *expected_running, weight, bias, training=True, momentum=0.1)
    torch.testing.assert_close(outputs.flatten(0, 1), expected)
    torch.testing.assert_close(running, expected_running)

    of_weights, of_biases = ([torch.zeros(3) for _ in halves] for _ in range(2))
    for half, (gradient, norm) in enumerate(zip(outer, norms, strict=True)):
        ext.sync_bn_backward_param(gradient, norm, of_weights[half], of_biases[half])
    of_weight, of_bias = exchanged(of_weights), exchanged(of_biases)
    of_input = torch.zeros_like(halves)
    for gradient, norm, filled in zip(outer, norms, of_input, strict=True):
        ext.sync_bn_backward_data(gradient, weight, of_weight, of_bias, norm, std, filled)
    (expected_gradient,) = torch.autograd.grad(expected, whole, outer.flatten(0, 1))
    torch.testing.assert_close(of_input.flatten(0, 1), expected_gradient, rtol=1e-4, atol=1e-5)
