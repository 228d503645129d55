"""The roadmap's steps against torchvision's ResNet, our ConvNeXt, the paper's GFLOPs, and blocks stated plainly."""

from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet50

from convnext_dense import ConvNeXt, paper
from convnext_dense.errors import UserError
from convnext_dense.roadmap.network import RoadmapNet
from convnext_dense.roadmap.steps import Design, design_of

# Per step of the ResNet-50 track, counted independently with a head of 1000 classes: GMACs at 224, 10^6 parameters.
COUNTED: dict[str, tuple[float, float]] = {
    'modern_recipe': (4.089, 25.56),
    'stage_ratio': (4.526, 28.63),
    'patchify_stem': (4.418, 28.62),
    'depthwise_conv': (2.350, 15.72),
    'width': (5.268, 33.76),
    'inverted_bottleneck': (4.644, 25.85),
    'depthwise_conv_up': (4.065, 25.63),
    'kernel_5': (4.097, 25.72),
    'kernel_7': (4.146, 25.86),
    'kernel_9': (4.210, 26.05),
    'kernel_11': (4.291, 26.29),
    'gelu': (4.146, 25.86),
    'fewer_activations': (4.146, 25.86),
    'fewer_norms': (4.146, 25.80),
    'layer_norm': (4.146, 25.84),
    'separate_downsampling': (4.456, 28.59),
}
NAMES = ['baseline', *COUNTED]
SMALL = dict(depths=[1, 2, 1, 1], width=8)
NO_MACS = (nn.BatchNorm2d, nn.LayerNorm, nn.ReLU, nn.GELU)


def randomize(model: nn.Module) -> None:
    """Weights and statistics that keep activations near 1 and make every one of them count."""
    for name, tensor in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        if tensor.ndim > 1:
            nn.init.normal_(tensor, std=tensor[0].numel() ** -0.5)
        else:
            nn.init.uniform_(tensor, 0.2, 1)


def relative_difference(a: Tensor, b: Tensor) -> float:
    assert a.shape == b.shape
    return ((a - b).abs().max() / b.abs().max()).item()


# -- both ends


def from_torchvision(resnet: nn.Module) -> dict[str, Tensor]:
    parts = {'conv1': 'pwconv1', 'bn1': 'norm1', 'conv2': 'dwconv', 'bn2': 'norm', 'conv3': 'pwconv2', 'bn3': 'norm2'}
    mapped = {}
    for name, tensor in resnet.state_dict().items():
        first, *rest = name.split('.')
        if first in ('conv1', 'bn1'):
            mapped['.'.join(['downsample_layers.0', '01'[first == 'bn1'], *rest])] = tensor
        elif first.startswith('layer'):
            block, part, *rest = rest
            if part == 'downsample':
                part = ('shortcut.1', 'shortcut.2')[int(rest.pop(0))]
            else:
                part = parts[part]
            tensor = tensor[:, :, 0, 0] if tensor.ndim == 4 and part != 'dwconv' else tensor
            mapped['.'.join([f'stages.{int(first[-1]) - 1}', block, part, *rest])] = tensor
    return mapped


def on_cpu(build: Callable[..., nn.Module], *args: object, **kwargs: object) -> nn.Module:
    """Without the time that initialization takes."""
    with torch.device('meta'):
        model = build(*args, **kwargs)
    return model.to_empty(device='cpu').eval()


@torch.no_grad()
def test_the_first_step_is_torchvisions_resnet50():
    resnet = on_cpu(resnet50)
    randomize(resnet)
    weights = from_torchvision(resnet)
    x = torch.randn(2, 3, 96, 72)
    expected = [resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))]
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        expected.append(layer(expected[-1]))

    stages = on_cpu(RoadmapNet, 'resnet50', 'baseline')
    stages.load_state_dict(weights)
    for own, other in zip(stages(x), expected[1:], strict=True):
        assert relative_difference(own, other) < 1e-5

    pooled = on_cpu(RoadmapNet, 'resnet50', 'baseline', out_indices=None)
    pooled.load_state_dict(weights)
    resnet.fc = nn.Identity()
    assert relative_difference(pooled(x), resnet(x)) < 1e-5


@pytest.mark.parametrize('out_indices', [None, (0, 1, 2, 3)])
@torch.no_grad()
def test_the_last_step_is_our_convnext_t_weight_for_weight(out_indices):
    convnext = ConvNeXt('tiny', out_indices=out_indices, drop_path_rate=0.1)
    last = RoadmapNet('resnet50', 'separate_downsampling', out_indices=out_indices, drop_path_rate=0.1)
    for model in (convnext, last):
        assert {p.unique().item() for n, p in model.named_parameters() if n.endswith('.gamma')} == {
            torch.tensor(1e-6).item()
        }
        rates = [block.drop_path for stage in model.stages for block in stage]
        assert rates == pytest.approx([0.1 * i / 17 for i in range(18)])
    randomize(convnext)
    last.load_state_dict(convnext.state_dict())
    x = torch.randn(2, 3, 70, 96)
    own, expected = last.eval()(x), convnext.eval()(x)
    if out_indices is None:
        little = 1e-3 * torch.randn(2, 768)  # so that eps counts
        own, expected = (own, last.norm(little)), (expected, convnext.norm(little))
    for a, b in zip(own, expected, strict=True):
        assert relative_difference(a, b) < 1e-5


def test_the_last_step_of_the_other_track_is_convnext_b():
    with torch.device('meta'):
        convnext = ConvNeXt('base', out_indices=None).state_dict()
        last = RoadmapNet('resnet200', 'separate_downsampling', out_indices=None).state_dict()
    assert {n: t.shape for n, t in last.items()} == {n: t.shape for n, t in convnext.items()}
    # the tracks differ in size alone
    t, b = (design_of(track, 'separate_downsampling') for track in ('resnet50', 'resnet200'))
    assert {f.name for f in fields(Design) if getattr(t, f.name) != getattr(b, f.name)} == {'depths', 'width'}


# -- the steps between them


def macs_and_params(track: str, step: str) -> tuple[float, float]:
    """At 224 with a head of 1000 classes, in 10^9 and 10^6."""
    macs = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal macs
        per_output = module.weight[0].numel()  # Conv2d: in_channels / groups * kernel area, Linear: in_features
        macs += output.numel() * per_output

    with torch.device('meta'):
        model = RoadmapNet(track, step, out_indices=None).eval()
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
            elif isinstance(module, NO_MACS):
                module.forward = nn.Identity().forward  # meta tensors take long here
        features = model(torch.empty(1, 3, 224, 224)).shape[1]
    params = sum(p.numel() for p in model.parameters())
    return (macs + features * 1000) / 1e9, (params + features * 1000 + 1000) / 1e6


@pytest.fixture
def no_initialization(monkeypatch):
    """It takes most of the time on the meta device, and does nothing there."""
    for name in ('trunc_normal_', 'kaiming_uniform_', 'uniform_', 'zeros_', 'ones_'):
        monkeypatch.setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)


@pytest.mark.usefixtures('no_initialization')
def test_macs_and_parameters_are_the_counted_and_the_published_ones():
    published = {row.step: row for row in paper.ROADMAP['resnet50']}
    for step, (macs, params) in COUNTED.items():
        own_macs, own_params = macs_and_params('resnet50', step)
        assert own_macs == pytest.approx(macs, rel=5e-4), step
        assert own_params == pytest.approx(params, abs=0.006), step
        if published[step].misprint:
            assert abs(published[step].macs / own_macs - 1) > 0.005, f'{step} is no misprint'
        else:
            assert own_macs == pytest.approx(published[step].macs, abs=0.006), step


@pytest.mark.usefixtures('no_initialization')
def test_macs_of_the_other_track_are_the_published_ones():
    for row in paper.ROADMAP['resnet200']:
        assert not row.misprint
        assert macs_and_params('resnet200', row.step)[0] == pytest.approx(row.macs, abs=0.006), row.step


@torch.no_grad()
def test_each_step_has_its_count_of_activations_and_norms():
    def counts(step: str) -> tuple[int, ...]:
        ran: list[str] = []
        model = RoadmapNet('resnet50', step, width=4, out_indices=None).eval()
        for module in model.modules():
            module.register_forward_hook(lambda module, *_: ran.append(type(module).__name__))
        model(torch.randn(1, 3, 32, 32))
        return tuple(
            sum(map(ran.count, names)) for names in (['ReLU'], ['GELU'], ['BatchNorm2d'], ['LayerNorm', 'LayerNorm2d'])
        )

    # stem, three per block, shortcuts: of four stages, then of three
    assert counts('baseline') == (1 + 3 * 16, 0, 1 + 3 * 16 + 4, 0)
    for step in ('stage_ratio', 'patchify_stem', 'depthwise_conv', 'width'):
        assert counts(step) == (1 + 3 * 18, 0, 1 + 3 * 18 + 4, 0), step
    for step in ('inverted_bottleneck', 'depthwise_conv_up', 'kernel_7'):
        assert counts(step) == (1 + 3 * 18, 0, 1 + 3 * 18 + 3, 0), step
    assert counts('gelu') == (0, 1 + 3 * 18, 1 + 3 * 18 + 3, 0)
    assert counts('fewer_activations') == (0, 18, 1 + 3 * 18 + 3, 0)
    assert counts('fewer_norms') == (0, 18, 1 + 18 + 3, 0)
    assert counts('layer_norm') == (0, 18, 0, 1 + 18 + 3)
    assert counts('separate_downsampling') == (0, 18, 0, 1 + 18 + 3 + 1)  # the last is the one after pooling


def block_reference(step: str, p: dict[str, Tensor], x: Tensor) -> Tensor:
    """The first block of stage 1, which halves the sides."""

    def batch_norm(name: str, x: Tensor) -> Tensor:
        mean, var, weight, bias = (
            p[f'{name}.{part}'].view(-1, 1, 1) for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def layer_norm(name: str, x: Tensor) -> Tensor:
        centered = x - x.mean(1, keepdim=True)
        scaled = centered / (centered.square().mean(1, keepdim=True) + 1e-6).sqrt()
        return scaled * p[f'{name}.weight'].view(-1, 1, 1) + p[f'{name}.bias'].view(-1, 1, 1)

    def pointwise(name: str, x: Tensor) -> Tensor:
        bias = p.get(f'{name}.bias', torch.zeros(len(p[f'{name}.weight'])))
        return torch.einsum('nchw,oc->nohw', x, p[f'{name}.weight']) + bias.view(-1, 1, 1)

    def depthwise(x: Tensor, size: int) -> Tensor:
        weight = p['dwconv.weight']
        assert weight.shape == (x.shape[1], 1, size, size)
        return F.conv2d(x, weight, p.get('dwconv.bias'), stride=2, padding=size // 2, groups=x.shape[1])

    relu, gelu = F.relu, F.gelu
    norm = layer_norm if step == 'layer_norm' else batch_norm
    short = norm('shortcut.2', pointwise('shortcut.1', x[:, :, ::2, ::2]))
    if step in ('depthwise_conv', 'inverted_bottleneck'):
        y = relu(norm('norm1', pointwise('pwconv1', x)))
        y = relu(norm('norm', depthwise(y, 3)))
        return relu(short + norm('norm2', pointwise('pwconv2', y)))
    if step in ('depthwise_conv_up', 'kernel_7', 'gelu'):
        act = gelu if step == 'gelu' else relu
        y = act(norm('norm', depthwise(x, 3 if step == 'depthwise_conv_up' else 7)))
        y = act(norm('norm1', pointwise('pwconv1', y)))
        return act(short + norm('norm2', pointwise('pwconv2', y)))
    if step == 'fewer_activations':
        y = norm('norm', depthwise(x, 7))
        y = gelu(norm('norm1', pointwise('pwconv1', y)))
        return short + norm('norm2', pointwise('pwconv2', y))
    assert step in ('fewer_norms', 'layer_norm')
    y = gelu(pointwise('pwconv1', norm('norm', depthwise(x, 7))))
    return short + pointwise('pwconv2', y)


@pytest.mark.parametrize(
    ('step', 'dims'),  # of the input, inside, of the output
    [
        *(('depthwise_conv', (32, 16, 64)), ('inverted_bottleneck', (8, 64, 16)), ('depthwise_conv_up', (8, 64, 16))),
        *((step, (8, 64, 16)) for step in ('kernel_7', 'gelu', 'fewer_activations', 'fewer_norms', 'layer_norm')),
    ],
)
@torch.no_grad()
def test_a_block_is_what_its_step_says(step, dims):
    block = RoadmapNet('resnet50', step, width=8).stages[1][0].eval()
    randomize(block)
    p = block.state_dict()
    assert (p['pwconv1.weight'].shape, p['pwconv2.weight'].shape) == ((dims[1], dims[0]), (dims[2], dims[1]))
    x = torch.randn(2, dims[0], 9, 12)
    assert relative_difference(block(x), block_reference(step, p, x)) < 1e-5


# -- as a backbone


@pytest.mark.parametrize('step', NAMES)
def test_four_outputs_have_their_strides_and_train_every_parameter(step):
    model = RoadmapNet('resnet50', step, **SMALL, layer_scale_init_value=1.0)
    outputs = model(torch.randn(2, 3, 64, 96))
    expected = [(2, dim, 64 // s, 96 // s) for dim, s in zip(model.dims, (4, 8, 16, 32), strict=True)]
    assert [output.shape for output in outputs] == expected
    sum((output * torch.randn_like(output)).sum() for output in outputs).backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def test_weights_start_alike_at_every_step():
    for step in ('baseline', 'depthwise_conv_up', 'separate_downsampling'):
        model = RoadmapNet('resnet50', step, depths=[1, 1, 1, 1], width=32)
        parameters = dict(model.named_parameters())
        weights = torch.cat([p.flatten() for p in parameters.values() if p.ndim > 1])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02), step
        assert all(not p.any() for n, p in parameters.items() if n.endswith('.bias')), step


@pytest.mark.parametrize('step', ['baseline', 'gelu', 'layer_norm'])
@torch.no_grad()
def test_drop_path_leaves_dropped_images_the_shortcut(step):
    model = RoadmapNet('resnet50', step, **SMALL, drop_path_rate=0.5)
    first, second = model.stages[1]
    assert (first.drop_path, second.drop_path, model.stages[3][0].drop_path) == (0.125, 0.25, 0.5)
    after = {'baseline': F.relu, 'gelu': F.gelu, 'layer_norm': lambda x: x}[step]
    x = torch.randn(400, model.dims[1], 2, 2)
    dropped = (second.train()(x) == after(x)).flatten(1).all(1)
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.06)


def test_any_decision_can_be_bent():
    model = RoadmapNet('resnet50', 'separate_downsampling', kernel_size=13, norm='bn', activation='relu', **SMALL)
    assert model.stages[0][0].dwconv.kernel_size == (13, 13)
    assert (model.depths, model.dims) == ((1, 2, 1, 1), (8, 16, 32, 64))
    assert [o.shape[1] for o in model(torch.randn(2, 3, 64, 64))] == [8, 16, 32, 64]
    pooled = RoadmapNet('resnet50', 'baseline', separate_downsampling=True, out_indices=None, **SMALL)
    assert pooled(torch.randn(2, 3, 64, 64)).shape == (2, 256)


def test_frozen_stages_keep_their_statistics():
    model = RoadmapNet('resnet50', 'baseline', frozen_stages=1, **SMALL).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model(torch.randn(2, 3, 64, 64))[3].sum().backward()
    moved = {'.'.join(n.split('.')[:2]) for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == {'stages.1', 'stages.2', 'stages.3'}
    trained = {'.'.join(n.split('.')[:2]) for n, p in model.named_parameters() if p.grad is not None}
    assert trained == moved


@pytest.mark.parametrize('norm_eval', [False, True])
def test_norm_eval_keeps_the_statistics_and_trains_the_rest(norm_eval):
    model = RoadmapNet('resnet50', 'baseline', norm_eval=norm_eval, drop_path_rate=0.5, **SMALL).train()
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    sum(output.square().sum() for output in model(torch.randn(2, 3, 64, 64))).backward()
    assert all(torch.equal(tensor, before[name]) == norm_eval for name, tensor in model.named_buffers())
    assert model.training
    assert model.stages[1][0].training
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize('step', ['baseline', 'gelu', 'separate_downsampling'])
@torch.no_grad()
def test_dynamic_quantization_quantizes_the_linear_layers(step):
    model = RoadmapNet('resnet50', step, **SMALL, out_indices=None).eval()
    randomize(model)
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    assert not any(type(module) is nn.Linear for module in quantized.modules())
    x = torch.randn(4, 3, 64, 64)
    difference = ((quantized(x) - model(x)).norm() / model(x).norm()).item()
    assert 1e-4 < difference < 0.2


# -- bad input


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (dict(track='resnet101'), r"no track 'resnet101': take one of resnet50, resnet200"),
        (dict(step='gelus'), r"no step 'gelus': take one of baseline, modern_recipe, .*, separate_downsampling"),
        (dict(kernel=7), r"no decision 'kernel': take one of depths, width, .*kernel_size"),
        (dict(step='inverted_bottleneck', depthwise=False), 'inverted_bottleneck=True contradicts depthwise=False'),
        (dict(step='baseline', inverted_bottleneck=True), 'inverted_bottleneck=True contradicts depthwise=False'),
        (dict(step='width', depthwise_first=True), 'depthwise_first=True contradicts inverted_bottleneck=False'),
        (dict(kernel_size=4), 'kernel_size must be odd and positive, not 4'),
        (dict(kernel_size='7'), "kernel_size must be of type int, not '7'"),
        (dict(depthwise='no'), "depthwise must be of type bool, not 'no'"),
        (dict(depths=[3, 3, 9]), r'depths must be four positive integers, not \(3, 3, 9\)'),
        (dict(width=0), 'width must be positive, not 0'),
        (dict(norm='gn'), "unknown norm 'gn': take one of bn, ln"),
        (dict(activation='swish'), "unknown activation 'swish': take one of relu, gelu"),
        (dict(drop_path_rate=1.0), 'drop_path_rate 1.0'),
        (dict(out_indices=(4,)), '4 is out of range'),
    ],
)
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(UserError, match=said) as error:
        RoadmapNet(**{'track': 'resnet50', 'step': 'gelu', **arguments})
    assert '\n' not in str(error.value)


def test_a_wrong_channel_count_is_named():
    with pytest.raises(UserError, match=r'4 channels.*takes 3'):
        RoadmapNet('resnet50', 'gelu', **SMALL)(torch.randn(1, 4, 32, 32))
