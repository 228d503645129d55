"""Networks of the libraries that publish ConvNeXts, with random weights, in files as each library writes them.

:func:`cases` yields all of them for ``weights_matrix.py``. Big networks have all their blocks with an eighth of their
channels, or (each tag of timm) one block a stage. Nothing of this package is used here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import open_clip
import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file
from timm.models import convnext as timm_convnext
from timm.models._hub import save_for_hf
from torch import Tensor, nn
from torchvision.models import convnext as torchvision_convnext

LARGE = 40e6  # parameters: above, the channels are reduced
SMALL = dict(depths=(1, 1, 2, 1), dims=(16, 24, 32, 40))
CLASSES = 7
STAGES = tuple(range(4))
IMAGES = torch.randn(2, 3, 72, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Outputs(NamedTuple):
    """What a network computes for images; None for what its library does not give."""

    stages: list[Tensor] | None = None  # of each stage, before a norm
    normed: dict[int, Tensor] | None = None  # by stage, after a norm of its own
    features: Tensor | None = None  # one vector for each image
    logits: Tensor | None = None


class Published(NamedTuple):
    """A file in a library's format, and what its network computes."""

    file: Path
    outputs: Outputs
    note: str = ''  # what was reduced
    arguments: Mapping[str, Any] = {}  # of our backbone, beside what the shapes of the weights tell
    left_over: tuple[str, ...] = ()  # parts of the file that our classifier has no place for
    preprocessing: Mapping[str, Any] | None = None  # timm's
    reading: Callable[[], AbstractContextManager] = nullcontext  # while the file is read
    full_size: nn.Module | None = None  # the network before it was reduced, on torch's meta device


def cases() -> Iterator[tuple[str, str, Callable[[Path], Published]]]:
    """Yield the library, the name and the publication of every row."""
    for arch in [*timm.list_models('convnext*'), *timm.list_models('test_convnext*')]:
        yield 'timm', arch, lambda folder, arch=arch: timm_arch(arch, folder)
    for tag in timm.list_models(['convnext*', 'test_convnext*'], pretrained=True):
        yield 'timm', tag, lambda folder, tag=tag: timm_tag(tag, folder)
    for name, publish in transformers_cases():
        yield 'transformers', name, publish
    for name in ('convnext_tiny', 'convnext_small', 'convnext_base', 'convnext_large'):
        yield 'torchvision', name, lambda folder, name=name: torchvision_arch(name, folder)
    yield 'torchvision', 'FasterRCNN with BackboneWithFPN', torchvision_detector
    for version in (1, 2):
        wrap = dict(version=version, wrap='state_dict')
        yield 'mmpretrain', f'V{version}', lambda f, w=wrap: renamed_classifier(f, mmpretrain_names, **w)
    for name in open_clip.list_models():
        if 'convnext' in name:
            yield 'open_clip', name, lambda folder, name=name: open_clip_model(name, folder)
    yield 'official', 'V1', lambda f: renamed_classifier(f, official_names, 1, 'model')
    for shape in ((1, 1, 1, -1), (1, -1), (-1,)):
        said = str(shape).replace('-1', '4C')
        yield (
            'official',
            f'V2, GRN {said}',
            lambda f, shape=shape: renamed_classifier(f, official_names, 2, 'model', grn=shape),
        )
    yield 'official', 'FCMAE', fcmae
    yield 'official', 'isotropic', isotropic
    for kind in ('DINOv3', 'EUPE'):
        yield 'official', kind, lambda folder, kind=kind: dinov3(folder, kind)


def randomize(model: nn.Module) -> nn.Module:
    """Give every parameter a random value, in a range in which deep networks neither explode nor vanish."""
    for name, p in model.named_parameters():
        if p.ndim > 1 and p.shape[-1] * p[0].numel() > 1 and 'grn' not in name and 'layer_scale' not in name:
            nn.init.normal_(p, std=p[0].numel() ** -0.5)
        elif name.endswith('weight') and 'grn' not in name:
            nn.init.normal_(p, mean=1, std=0.2)
        else:
            nn.init.normal_(p, std=0.2)
    return model.eval()


def torch_file(folder: Path, content: Any, name: str = 'weights.pth') -> Path:
    torch.save(content, folder / name)
    return folder / name


def timm_outputs(model: nn.Module, has_features: bool = True, has_logits: bool = True) -> Outputs:
    """What timm's network computes, in float64."""
    model = model.double()
    final, stages = model.forward_intermediates(IMAGES)
    return Outputs(
        stages=stages,
        features=model.head.norm(final.mean((2, 3), keepdim=True)).flatten(1)
        if has_features and not isinstance(model.norm_pre, timm.layers.LayerNorm2d)
        else final.mean((2, 3))
        if has_features
        else None,
        logits=model(IMAGES) if has_logits else None,
    )


def timm_arguments(model: nn.Module) -> dict[str, Any]:
    """Return the arguments of our backbone that no shape tells, from the type of timm's norms."""
    norm = model.stages[0].blocks[0].norm
    if isinstance(norm, timm.layers.SimpleNorm2d):
        return {'norm': 'simple_norm'}
    return {'norm': 'rms_norm'} if isinstance(norm, timm.layers.RmsNorm2d) else {}


def timm_arch(arch: str, folder: Path) -> Published:
    """A network of timm of some architecture, with a folder as timm writes it for its hub."""
    with torch.device('meta'):
        full = timm.create_model(arch)
    size, note = {}, ''
    if sum(p.numel() for p in full.parameters()) > LARGE:
        dims = [info['num_chs'] // 8 for info in full.feature_info]
        size, note = {'dims': dims}, f'channels {", ".join(map(str, dims))}'
        if full.head_hidden_size != full.num_features or 'mlp' in arch:
            size['head_hidden_size'] = full.head_hidden_size // 8
    model = randomize(timm.create_model(arch, num_classes=CLASSES, **size))
    save_for_hf(model, folder, safe_serialization=True)
    file = folder / 'model.safetensors'
    return Published(file, timm_outputs(model), note, timm_arguments(model), full_size=full)


def timm_tag(tag: str, folder: Path) -> Published:
    """Weights of timm by the entry of a tag, in a small network of its architecture."""
    entry = timm.models.get_pretrained_cfg(tag)
    size: dict[str, Any] = dict(SMALL)
    if 'mlp' in tag.split('.')[0]:
        size['head_hidden_size'] = 48
    model = randomize(timm.create_model(tag, **size))
    is_embedding = entry.num_classes in (640, 768, 1024)  # no data set of the tags has so few classes
    if is_embedding:
        nn.init.zeros_(model.head.fc.bias)
    save_for_hf(model, folder, safe_serialization=True)
    file = folder / 'model.safetensors'
    is_fcmae = entry.tag == 'fcmae'
    if is_fcmae:  # the published files have no final norm
        save_file({n: t for n, t in model.state_dict().items() if not n.startswith('head.')}, file)
    return Published(
        file,
        timm_outputs(model, not is_fcmae, entry.num_classes > 0 and not is_embedding),
        f'one block a stage; {"image embedding" if is_embedding else f"{entry.num_classes} classes"}',
        timm_arguments(model),
        ('head',) if is_embedding else (),
        entry.to_dict(),
    )


def torchvision_arch(name: str, folder: Path) -> Published:
    with torch.device('meta'):
        full = getattr(torchvision.models, name)()
    depths = [len(stage) for stage in full.features[1::2]]
    dims = [stage[0].block[0].in_channels // 8 for stage in full.features[1::2]]
    setting = torchvision_convnext.CNBlockConfig
    settings = [setting(d, n, depth) for d, n, depth in zip(dims, [*dims[1:], None], depths, strict=True)]
    model = randomize(torchvision_convnext.ConvNeXt(settings, num_classes=CLASSES))
    file = torch_file(folder, model.state_dict())
    model = model.double()
    stages, x = [], IMAGES
    for layer in model.features:
        x = layer(x)
        stages.append(x)
    features = model.classifier[:2](model.avgpool(x))
    outputs = Outputs(stages[1::2], None, features, model(IMAGES))
    return Published(file, outputs, f'channels {", ".join(map(str, dims))}', full_size=full)


def torchvision_detector(folder: Path) -> Published:
    """A detector of torchvision on the layers of its ConvNeXt."""
    settings = [
        torchvision_convnext.CNBlockConfig(d, n, k) for d, n, k in zip(DIMS, [*DIMS[1:], None], DEPTHS, strict=True)
    ]
    features = torchvision_convnext.ConvNeXt(settings).features
    layers = {str(2 * s + 1): str(s) for s in STAGES}
    backbone = torchvision.models.detection.backbone_utils.BackboneWithFPN(features, layers, DIMS, 8)
    model = randomize(torchvision.models.detection.FasterRCNN(backbone, num_classes=3))
    file = torch_file(folder, model.state_dict())
    stages = list(model.double().backbone.body(IMAGES).values())
    return Published(file, Outputs(stages), 'small', left_over=('backbone.fpn', 'roi_heads', 'rpn'))


DEPTHS, DIMS = list(SMALL['depths']), list(SMALL['dims'])
HF_SIZE = dict(depths=DEPTHS, hidden_sizes=DIMS)


def transformers_class(name: str, folder: Path, config: Any, around: str = '') -> Published:
    """A network of transformers, saved by its own ``save_pretrained``."""
    model = randomize(getattr(transformers, name)(config))
    model.save_pretrained(folder)
    model = model.double()
    file, note = folder / 'model.safetensors', 'small'
    if around:  # parts around a backbone
        backbone = model.get_submodule(around)
        maps = backbone(IMAGES).feature_maps
        return Published(file, Outputs(normed=dict(enumerate(maps))), note)
    out = model(IMAGES, output_hidden_states=True)
    if name.endswith('Backbone'):
        if 'DINOv3' in name:  # its outputs have no norm
            return Published(file, Outputs(stages=list(out.feature_maps)), note)
        stages = [STAGES[i - 1] for i in model.out_indices]
        return Published(file, Outputs(normed=dict(zip(stages, out.feature_maps, strict=True))), note)
    stages = [s for s in out.hidden_states if s.shape[1] in DIMS][-4:]
    if name.endswith('ImageClassification'):
        base = model.base_model(IMAGES)
        return Published(file, Outputs(stages, None, base.pooler_output, out.logits), note)
    return Published(file, Outputs(stages, None, out.pooler_output), note)


def transformers_cases() -> Iterator[tuple[str, Callable[[Path], Published]]]:
    all_stages = dict(out_features=[f'stage{s}' for s in (1, 2, 3, 4)])
    for of, config in (('ConvNext', transformers.ConvNextConfig), ('ConvNextV2', transformers.ConvNextV2Config)):
        yield f'{of}Model', lambda f, of=of, c=config: transformers_class(f'{of}Model', f, c(**HF_SIZE))
        head = dict(num_labels=CLASSES)
        name = f'{of}ForImageClassification'
        yield name, lambda f, n=name, c=config, head=head: transformers_class(n, f, c(**HF_SIZE, **head))
        for what, stages in (('', all_stages), (', two stages', dict(out_features=['stage2', 'stage4']))):
            name = f'{of}Backbone'
            yield name + what, lambda f, n=name, c=config, s=stages: transformers_class(n, f, c(**HF_SIZE, **s))
        for around, make in SEGMENTORS.items():
            yield (
                f'{around} with {of}Backbone',
                lambda f, n=around, m=make, c=config: transformers_class(n, f, m[0](c(**HF_SIZE, **all_stages)), m[1]),
            )
    dino = transformers.DINOv3ConvNextConfig
    yield 'DINOv3ConvNextModel', lambda f: transformers_class('DINOv3ConvNextModel', f, dino(**HF_SIZE))
    yield (
        'DINOv3ConvNextBackbone',
        lambda f: transformers_class('DINOv3ConvNextBackbone', f, dino(**HF_SIZE, **all_stages)),
    )
    for activation in ('gelu_new', 'silu', 'relu'):
        name = f'ConvNextModel, {activation}'
        yield (
            name,
            lambda f, a=activation: transformers_class(
                'ConvNextModel', f, transformers.ConvNextConfig(**HF_SIZE, hidden_act=a)
            ),
        )
    yield 'TimmWrapperForImageClassification', timm_in_transformers
    yield 'TimmBackbone', timm_backbone
    yield 'DetrForObjectDetection with TimmBackbone', partial(timm_backbone, detector=True)


def _upernet(backbone: Any) -> Any:
    return transformers.UperNetConfig(backbone_config=backbone, hidden_size=8, auxiliary_in_channels=DIMS[2])


def _mask2former(backbone: Any) -> Any:
    return transformers.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=32,
        num_queries=4,
    )


SEGMENTORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    'UperNetForSemanticSegmentation': (_upernet, 'backbone'),
    'Mask2FormerForUniversalSegmentation': (_mask2former, 'model.pixel_level_module.encoder'),
}


def timm_in_transformers(folder: Path) -> Published:
    """timm's network in transformers' wrapper."""
    inner = timm.create_model('convnext_atto', num_classes=CLASSES)
    with mock.patch('timm.create_model', lambda *_, **__: inner):
        config = transformers.TimmWrapperConfig(architecture='convnext_atto', num_labels=CLASSES)
        model = transformers.TimmWrapperForImageClassification(config)
    randomize(model).save_pretrained(folder)
    return Published(folder / 'model.safetensors', timm_outputs(inner))


def timm_backbone(folder: Path, detector: bool = False) -> Published:
    """timm's network as a backbone of transformers, alone or in a detector."""
    config = transformers.TimmBackboneConfig(
        backbone='convnext_atto', out_indices=list(STAGES), use_pretrained_backbone=False
    )
    if detector:
        sizes = dict(d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32, decoder_ffn_dim=32)
        heads = dict(encoder_attention_heads=2, decoder_attention_heads=2, num_queries=4)
        model = transformers.DetrForObjectDetection(transformers.DetrConfig(backbone_config=config, **sizes, **heads))
    else:
        model = transformers.TimmBackbone(config)
    randomize(model).save_pretrained(folder)
    network = next(m for m in model.modules() if isinstance(m, timm.models.FeatureListNet))
    outputs = Outputs(stages=network.double()(IMAGES))
    left_over = ('bbox_predictor', 'class_labels_classifier', 'model') if detector else ()
    return Published(folder / 'model.safetensors', outputs, left_over=left_over)


def mmpretrain_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """mmpretrain's names of timm's weights; mmpretrain needs another mmcv than this package and is not run."""
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r'^stem\.', 'backbone.downsample_layers.0.', name)
        name = re.sub(r'^stages\.(\d)\.downsample\.', r'backbone.downsample_layers.\1.', name)
        name = re.sub(r'^stages\.(\d)\.blocks\.', r'backbone.stages.\1.', name)
        name = name.replace('conv_dw', 'depthwise_conv').replace('mlp.fc', 'pointwise_conv')
        name = name.replace('mlp.grn.weight', 'grn.gamma').replace('mlp.grn.bias', 'grn.beta')
        renamed[name.replace('head.norm', 'backbone.norm3')] = tensor
    return renamed


def official_names(state: Mapping[str, Tensor], grn: tuple[int, ...] = (1, 1, 1, -1)) -> dict[str, Tensor]:
    """The official names of timm's weights."""
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r'^stem\.', 'downsample_layers.0.', name)
        name = re.sub(r'^stages\.(\d)\.downsample\.', r'downsample_layers.\1.', name)
        name = re.sub(r'^stages\.(\d)\.blocks\.', r'stages.\1.', name)
        name = name.replace('conv_dw', 'dwconv').replace('mlp.fc', 'pwconv')
        name = name.replace('mlp.grn.weight', 'grn.gamma').replace('mlp.grn.bias', 'grn.beta')
        name = name.replace('head.norm', 'norm').replace('head.fc', 'head')
        renamed[name] = tensor.reshape(grn) if '.grn.' in name else tensor
    return renamed


def small_timm(version: int = 1, num_classes: int = CLASSES) -> nn.Module:
    versions = dict(use_grn=True, ls_init_value=None) if version == 2 else {}
    return randomize(timm_convnext.ConvNeXt(num_classes=num_classes, **SMALL, **versions))


def renamed_classifier(
    folder: Path, rename: Callable[..., dict], version: int, wrap: str, **arguments: Any
) -> Published:
    model = small_timm(version)
    state = rename(model.state_dict(), **arguments)
    if rename is official_names:  # timm's own reader of official files agrees
        read = timm_convnext.checkpoint_filter_fn(dict(state), model)
        assert all(torch.equal(read[n], t) for n, t in model.state_dict().items())
    return Published(torch_file(folder, {wrap: state}), timm_outputs(model), 'small')


def fcmae(folder: Path) -> Published:
    """The official file of V2's masked pre-training, whose sparse convolutions have flattened kernels.

    The inverse of the official ``remap_checkpoint_keys`` (github.com/facebookresearch/ConvNeXt-V2, utils.py).
    """
    model, state = small_timm(2), {}
    for name, tensor in official_names(model.state_dict(), (1, -1)).items():
        if name.startswith(('norm.', 'head.')):
            continue
        if tensor.ndim == 4 and name.startswith('stages.'):  # depthwise
            tensor, name = tensor.transpose(3, 2).flatten(1).T, name.replace('dwconv.weight', 'dwconv.kernel')
        elif tensor.ndim == 4 and not name.startswith('downsample_layers.0.'):
            tensor = tensor.transpose(3, 2).flatten(2).permute(2, 1, 0)
            name = name.replace('.1.weight', '.1.kernel')
        if name.startswith('stages.'):
            name = re.sub(r'(pwconv\d)\.', r'\1.linear.', re.sub(r'(\d\.norm)\.', r'\1.ln.', name))
        elif re.match(r'downsample_layers\.[123]\.0\.', name):
            name = re.sub(r'\.0\.', '.0.ln.', name, count=1)
        is_bias = name.endswith('.bias') and ('dwconv' in name or re.match(r'downsample_layers\.[123]\.1', name))
        state[f'encoder.{name}'] = tensor[None] if is_bias else tensor
    state |= {'mask_token': torch.randn(1, 8, 1, 1), 'decoder.0.dwconv.weight': torch.randn(8, 1, 7, 7)}
    outputs = timm_outputs(model, has_features=False, has_logits=False)
    return Published(torch_file(folder, {'model': state}), outputs, 'small', left_over=('decoder', 'mask_token'))


def dinov3(folder: Path, kind: str) -> Published:
    """The official files of DINOv3 and EUPE: official names without a head, and norms of features."""
    model = small_timm(1, 0)
    state = official_names(model.state_dict())
    if kind == 'DINOv3':
        state |= {f'norms.3.{leaf}': state[f'norm.{leaf}'].clone() for leaf in ('weight', 'bias')}
    else:
        state |= {f'norms.{s}.{leaf}': torch.randn(DIMS[s]) for s in STAGES for leaf in ('weight', 'bias')}
        state['projectors.teacher.weight'] = torch.randn(4, 4)
    left_over = ('norms',) if kind == 'DINOv3' else ('norms', 'projectors')
    return Published(torch_file(folder, state), timm_outputs(model, has_logits=False), 'small', left_over=left_over)


class Isotropic(nn.Module):
    """The isotropic ConvNeXt (arXiv 2201.03545, section 3.3) in a few lines, with the official names."""

    def __init__(self, depth: int, dim: int) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, dim, 16, 16), nn.LayerNorm(dim, 1e-6), nn.Linear(dim, CLASSES)
        self.blocks = nn.ModuleList(nn.Module() for _ in range(depth))
        for block in self.blocks:
            block.dwconv, block.norm = nn.Conv2d(dim, dim, 7, padding=3, groups=dim), nn.LayerNorm(dim, 1e-6)
            block.pwconv1, block.pwconv2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        for block in self.blocks:
            y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
            x = x + block.pwconv2(nn.functional.gelu(block.pwconv1(y))).permute(0, 3, 1, 2)
        features = self.norm(x.mean((2, 3)))
        return features, self.head(features)


def isotropic(folder: Path) -> Published:
    model = randomize(Isotropic(18, 384))
    file = torch_file(folder, {'model': model.state_dict()})
    features, logits = model.double()(IMAGES)
    return Published(file, Outputs(None, None, features, logits))


@contextmanager
def small_trunks() -> Iterator[None]:
    """Build timm's networks with few channels, which open_clip's configs can't ask for."""
    create, entry = timm.create_model, timm.models.model_entrypoint
    with (
        mock.patch('timm.create_model', lambda name, **given: create(name, **given, **SMALL)),
        mock.patch('timm.models.model_entrypoint', lambda name: partial(entry(name), **SMALL)),
    ):
        yield


def open_clip_model(name: str, folder: Path) -> Published:
    """A model of open_clip, with the files that its ``push_to_hf_hub`` writes."""
    config = open_clip.get_model_config(name)
    small = {**config, 'text_cfg': dict(context_length=8, vocab_size=16, width=8, heads=2, layers=1)}
    with small_trunks():
        model = randomize(open_clip.CLIP(**small))
    save_file(model.state_dict(), folder / 'open_clip_model.safetensors')
    preprocessing = dict(mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD)
    (folder / 'open_clip_config.json').write_text(json.dumps({'model_cfg': config, 'preprocess_cfg': preprocessing}))
    outputs = timm_outputs(model.visual.trunk, has_logits=False)
    left_over = ('image embedding', 'text tower')
    file = folder / 'open_clip_model.safetensors'
    return Published(file, outputs, 'small', left_over=left_over, reading=small_trunks)
