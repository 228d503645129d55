"""The fast path of a block against the same block layer by layer."""

import runpy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from convnext_dense import ConvNeXt
from convnext_dense.models import fused_mlp
from convnext_dense.models.convnext import Block

SMALL = dict(depths=[1, 2, 1, 1], dims=[8, 12, 16, 24])


@pytest.fixture(autouse=True, params=[False, True], ids=['matrices', 'convolutions'])
def many_chunks(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Chunks of up to 33 positions, and either kind of product for blocks with GRN."""
    monkeypatch.setattr(fused_mlp, 'HIDDEN_ELEMENTS', 33 * 4 * 8)
    monkeypatch.setattr(fused_mlp, 'LINEAR_AS_CONV2D', request.param)


def some_block(version: int = 1, layer_scale: float = 0.5, drop_path: float = 0.0) -> Block:
    torch.manual_seed(0)
    block = Block(8, drop_path, layer_scale, version).double()
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    return block


def outcome(block: nn.Module, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the output of a module, and all gradients of some loss of it."""
    x = x.clone().requires_grad_()
    block.zero_grad()
    torch.manual_seed(1)
    y = block(x)
    (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum().backward()
    grads = {name: p.grad for name, p in block.named_parameters() if p.requires_grad}
    assert x.grad is not None
    return y.detach(), {'x': x.grad, **grads}


@pytest.mark.parametrize('shape', [(3, 8, 7, 9), (1, 8, 1, 1), (2, 8, 1, 50)])
@pytest.mark.parametrize(
    'options', [{}, dict(layer_scale=0.0), dict(drop_path=0.5), dict(version=2)], ids=['', 'no scale', 'drop', 'v2']
)
def test_chunks_equal_the_layers(shape: tuple[int, ...], options: dict) -> None:
    block = some_block(**options)
    x = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    y, grads = outcome(block, x)
    with fused_mlp.disabled():
        wanted, wanted_grads = outcome(block, x)
    torch.testing.assert_close(y, wanted, rtol=1e-12, atol=1e-12)
    assert grads.keys() == wanted_grads.keys()
    for name, grad in wanted_grads.items():
        torch.testing.assert_close(grads[name], grad, rtol=1e-11, atol=1e-11, msg=name)

    block.eval()
    before = x.clone()
    with torch.no_grad():
        y = block(x)
        assert torch.equal(x, before)
        with fused_mlp.disabled():
            torch.testing.assert_close(y, block(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('options', [{}, dict(layer_scale=0.0), dict(drop_path=0.5)], ids=['', 'no scale', 'drop'])
def test_training_in_float32_equals_the_layers(options: dict) -> None:
    """There oneDNN makes the products, which it does not in float64."""
    block = some_block(**options).float()
    x = torch.randn(3, 8, 7, 9).contiguous(memory_format=torch.channels_last)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        y, grads = outcome(block, x)
    assert 'mkldnn::_linear_pointwise' in {event.key for event in profiled.key_averages()}
    with fused_mlp.disabled():
        wanted, wanted_grads = outcome(block.double(), x.double())
    torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-5)
    for name, grad in wanted_grads.items():
        torch.testing.assert_close(grads[name].double(), grad, rtol=1e-5, atol=1e-5 * grad.abs().max().item())


@pytest.mark.parametrize('options', [{}, dict(layer_scale=0.0), dict(version=2)], ids=['', 'no scale', 'v2'])
def test_inference_in_float32_equals_the_layers(options: dict) -> None:
    block = some_block(**options).float().eval()
    x = 3 * torch.randn(3, 8, 7, 9).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), fused_mlp.disabled():
        wanted = block(x)
        exact = block.double()(x.double())
    with torch.no_grad():
        y = block.float()(x)
    torch.testing.assert_close(y, wanted, rtol=1e-6, atol=2e-6)  # the approximation of GELU by tanh is off by 1e-4
    torch.testing.assert_close(y.double(), exact, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('grad', [True, False])
def test_a_linear_layer_by_itself_equals_its_call(bias: bool, grad: bool) -> None:
    layer = nn.Linear(8, 12, bias=bias)
    x = torch.randn(2, 5, 7, 8, requires_grad=True)
    with torch.set_grad_enabled(grad):
        y, wanted = fused_mlp.linear(layer, x), layer(x)
    torch.testing.assert_close(y, wanted)
    if grad:
        found, expected = (torch.autograd.grad(t.square().sum(), (x, layer.weight)) for t in (y, wanted))
        torch.testing.assert_close(found, expected)
    layer.register_forward_hook(lambda layer, inputs, output: 2 * output)
    torch.testing.assert_close(fused_mlp.linear(layer, x), 2 * wanted)


def test_training_with_grn_makes_its_products_by_the_faster_operator() -> None:
    block = some_block(version=2).float()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        block(torch.randn(3, 8, 7, 9))
    calls = {event.key: event.count for event in profiled.key_averages()}
    convolutions = calls['aten::conv2d']
    assert convolutions == (3 if fused_mlp.LINEAR_AS_CONV2D else 1)  # one is depthwise


def test_inference_computes_gelu_with_the_product() -> None:
    block = some_block().float().eval()
    x = torch.randn(3, 8, 7, 9)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiled:
        block(x)
    calls = {event.key for event in profiled.key_averages()}
    assert 'mkldnn::_linear_pointwise' in calls
    assert not calls & {'aten::gelu', 'aten::linear'}
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), profile() as profiled:
        block(x)
    assert 'mkldnn::_linear_pointwise' not in {event.key for event in profiled.key_averages()}


@pytest.mark.parametrize('version', [1, 2])
def test_inference_in_bfloat16_errs_no_more_than_the_layers(version: int) -> None:
    block = some_block(version=version).float().eval()
    x = torch.randn(3, 8, 7, 9)
    with torch.no_grad():
        with torch.autocast('cpu', torch.bfloat16):
            fused = block(x)
            with fused_mlp.disabled():
                layers = block(x)
        exact = block(x)
    assert fused.dtype == layers.dtype
    assert (fused - exact).norm() <= 1.3 * (layers - exact).norm() <= 0.1 * exact.norm()


@pytest.mark.parametrize('gamma', [None, torch.ones(2, dtype=torch.bfloat16)], ids=['no scale', 'scale'])
def test_the_factor_is_precise_for_parameters_in_bfloat16(gamma: Tensor | None) -> None:
    scale = fused_mlp._branch_scale(gamma, torch.zeros(2, dtype=torch.bfloat16), 1 / 0.7)
    torch.testing.assert_close(scale, torch.full((2,), 1 / 0.7), rtol=1e-6, atol=0)
    block = some_block(drop_path=0.3).bfloat16().train()
    assert block(torch.randn(4, 8, 3, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_dropped_images_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    block, computed = some_block(drop_path=0.5).train(), []
    matmul = fused_mlp._matmul

    def counted(x: Tensor, *arguments: object) -> Tensor:
        computed.append(len(x))
        return matmul(x, *arguments)

    monkeypatch.setattr(fused_mlp, '_matmul', counted)
    x = torch.randn(16, 8, 3, 3, dtype=torch.float64, requires_grad=True)
    y = block(x)
    dropped = (y == x).flatten(1).all(1)
    kept = int((~dropped).sum())
    assert 0 < kept < 16
    assert sum(computed) == 2 * kept * 9  # two layers
    computed.clear()
    y.sum().backward()
    assert sum(computed) == 2 * kept * 9
    assert x.grad is not None and torch.equal(x.grad[dropped], torch.ones_like(x.grad[dropped]))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_gradients_are_zero_where_all_images_are_dropped(dtype: torch.dtype) -> None:
    block = some_block(drop_path=0.999).to(dtype).train()
    x = torch.randn(2, 8, 3, 3, dtype=dtype)
    y = block(x)
    assert torch.equal(y, x)
    y.sum().backward()
    for name, parameter in block.named_parameters():  # DistributedDataParallel waits for every parameter's
        assert parameter.grad is not None and not parameter.grad.any(), name


def test_gradients_equal_finite_differences() -> None:
    block = some_block()
    x = torch.randn(2, 8, 4, 5, dtype=torch.float64, requires_grad=True)
    parameters = list(block.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: block(x), (x, *parameters), nondet_tol=0.0, fast_mode=True)


def test_frozen_parameters_get_no_gradient() -> None:
    block = some_block()
    for name in ('dwconv', 'norm', 'pwconv1'):
        getattr(block, name).requires_grad_(False)
    x = torch.randn(2, 8, 5, 5, dtype=torch.float64)
    block(x).sum().backward()
    with_gradient = {name for name, p in block.named_parameters() if p.grad is not None}
    assert with_gradient == {'pwconv2.weight', 'pwconv2.bias', 'gamma'}
    grad = block.gamma.grad.clone()
    block.zero_grad()
    with fused_mlp.disabled():
        block(x).sum().backward()
    torch.testing.assert_close(grad, block.gamma.grad)


@pytest.mark.parametrize('options', [{}, dict(drop_path_rate=0.6), dict(layer_scale_init_value=0.0)])
def test_bfloat16_errs_no_more_than_the_layers(options: dict) -> None:
    torch.manual_seed(0)
    model = ConvNeXt(SMALL, **{'layer_scale_init_value': 1.0, **options})
    x = torch.randn(8, 3, 64, 96)

    def run(autocast: bool = True) -> list[Tensor]:
        model.zero_grad()
        torch.manual_seed(1)
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            outputs = model(x)
        sum(
            (output.float() * torch.linspace(-1, 1, output.numel()).view_as(output)).mean() for output in outputs
        ).backward()
        return [*outputs, *(p.grad.clone() for p in model.parameters())]

    fused = run()
    with fused_mlp.disabled():
        layers, exact = run(), run(autocast=False)
    assert [t.dtype for t in fused] == [t.dtype for t in layers]

    for part in (slice(0, 4), slice(4, None)):  # outputs, gradients
        reference = torch.cat([t.flatten() for t in exact[part]])
        of_fused, of_layers = (
            float((torch.cat([t.flatten().float() for t in group[part]]) - reference).norm() / reference.norm())
            for group in (fused, layers)
        )
        assert of_fused <= 1.3 * of_layers <= 0.1


def test_images_that_are_kept_grow_by_the_exact_factor_in_mixed_precision() -> None:
    block = some_block(drop_path=0.3).float()
    x = torch.zeros(64, 8, 1, 1, dtype=torch.bfloat16)
    with torch.autocast('cpu', torch.bfloat16):
        factors = block.train()(x) / block.eval()(x)
    kept = factors[factors > 0.5]
    assert 0 < len(kept) < factors.numel()
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.7), rtol=1e-5, atol=0)  # in bfloat16 1.4297


def test_the_backward_pass_is_as_precise_as_the_forward_pass() -> None:
    torch.manual_seed(0)
    block = Block(8, 0.0, 1.0, 1)
    x = torch.randn(2, 8, 9, 9)
    grads = []
    for autocast in (False, True):
        y = block(x).square().sum()
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            grads.append(torch.autograd.grad(y, block.pwconv1.weight)[0])
    assert torch.equal(*grads)


def saved_elements(model: nn.Module, x: Tensor) -> int:
    """Count the elements that a step saves for its backward pass, parameters aside."""
    storages = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(x)
    del outputs
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(t.untyped_storage().nbytes() // t.element_size() for key, t in storages.items() if key not in own)


def test_training_saves_little_more_than_half() -> None:
    model = ConvNeXt('atto', out_indices=None)
    x = torch.randn(2, 3, 64, 64)
    fused = saved_elements(model, x)
    with fused_mlp.disabled():
        assert fused <= 0.65 * saved_elements(model, x)


@pytest.mark.parametrize('trained', [True, False])
@pytest.mark.parametrize('kind', ['forward', 'forward_pre', 'full_backward', 'full_backward_pre'])
def test_hooks_see_what_the_layers_do(trained: bool, kind: str) -> None:
    block = some_block()
    x = torch.randn(3, 8, 6, 6, dtype=torch.float64)
    seen: list[list[Tensor]] = []

    def run() -> list[Tensor]:
        seen.clear()
        with torch.set_grad_enabled(trained):
            y = block(x)
        if trained:
            y.square().sum().backward()
        return [t.clone() for call in seen for t in call]

    def note(module: nn.Module, *tensors: Tensor | tuple[Tensor, ...]) -> None:
        seen.append([t for group in tensors for t in (group if isinstance(group, tuple) else (group,))])

    getattr(block.pwconv1, f'register_{kind}_hook')(note)
    got = run()
    with fused_mlp.disabled():
        wanted = run()
    assert len(got) == len(wanted) and (wanted or not trained)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


@pytest.mark.parametrize('trained', [True, False])
@pytest.mark.parametrize('how', ['class', 'instance', 'wrapped', 'no bias', 'parametrized'])
def test_replaced_layers_compute_what_they_compute(trained: bool, how: str) -> None:
    block = some_block()
    x = torch.randn(3, 8, 6, 6, dtype=torch.float64)
    if how == 'class':
        block.norm = nn.RMSNorm(8).double()
    elif how == 'wrapped':
        block.pwconv1 = nn.Sequential(block.pwconv1, nn.Dropout(0.0))
    elif how == 'no bias':
        block.pwconv2.bias = None
    elif how == 'parametrized':
        parametrize.register_parametrization(block.pwconv1, 'weight', Doubled())
    else:
        own_forward = block.pwconv1.forward
        block.pwconv1.forward = lambda x: 2 * own_forward(x)
    with torch.set_grad_enabled(trained):
        y = block(x)
        with fused_mlp.disabled():
            torch.testing.assert_close(y, block(x))


def test_other_tensors_in_place_of_the_parameters_are_taken() -> None:
    block = some_block()
    x = torch.randn(3, 8, 6, 6, dtype=torch.float64)
    doubled = {name: 2 * parameter.detach() for name, parameter in block.named_parameters()}
    assert fused_mlp.forward(block, x) is not None
    found = functional_call(block, doubled, x)
    grads = torch.func.grad(lambda parameters: functional_call(block, parameters, x).sum())(doubled)
    block.load_state_dict(doubled)
    with fused_mlp.disabled():
        wanted = block(x)
        wanted.sum().backward()
    torch.testing.assert_close(found, wanted)
    for name, parameter in block.named_parameters():
        torch.testing.assert_close(grads[name], parameter.grad)


def test_counters_see_all_operations() -> None:
    model = ConvNeXt('atto').eval()
    counts = {}
    for device in ('cpu', 'meta'):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.to(device)(torch.randn(1, 3, 64, 64, device=device))
        counts[device] = counter.get_total_flops()
    assert counts['cpu'] == counts['meta'] > 0


def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, on in (('1', False), ('0', True), ('', True)):
        monkeypatch.setenv('CONVNEXT_DENSE_PLAIN', value)
        module = runpy.run_module(fused_mlp.__name__)
        assert module['_applies_to'](torch.zeros(1)) == on


@pytest.mark.parametrize(
    'options', [dict(new_activation=nn.SiLU), dict(new_activation=lambda: nn.GELU('tanh')), dict(new_norm=nn.RMSNorm)]
)
@pytest.mark.parametrize('version', [1, 2])
def test_other_norms_and_activations_are_computed_layer_by_layer(options: dict, version: int) -> None:
    x = torch.randn(1, 8, 9, 9)
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            assert fused_mlp.forward(Block(8, 0.0, 1.0, version, **options), x) is None


@pytest.mark.parametrize('grad', [True, False])
def test_the_eps_is_that_of_the_block(grad: bool) -> None:
    block = some_block()
    x = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    outputs = []
    for eps in (1e-6, 0.1):
        block.norm.eps = eps
        with torch.set_grad_enabled(grad):
            fused = fused_mlp.forward(block, x)
            with fused_mlp.disabled():
                torch.testing.assert_close(fused, block(x))
        outputs.append(fused)
    assert not torch.allclose(*outputs)
