"""CARAFENaive on a CPU: tests/ops/test_carafe.py has its gradient."""

import inspect

from mmcv.ops.carafe import CARAFENaiveFunction

from convnext_dense.compat import mmcv_carafe_naive
from tests.helpers.ops import OURS_ONLY


@OURS_ONLY
def test_mmcv_still_refuses_a_cpu_and_the_backward_is_replaced():
    source = inspect.getsource(CARAFENaiveFunction)
    assert 'assert grad_output.is_cuda or grad_output.is_musa' in source, 'remove mmcv_carafe_naive.py'
    mmcv_carafe_naive.allow_gradient_on_cpu()
    assert CARAFENaiveFunction.backward is mmcv_carafe_naive._backward
