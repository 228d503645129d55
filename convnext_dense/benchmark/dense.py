"""Benchmark of a whole detector's or segmentor's inference and training step, ours against stock parts."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..engine.building import build_model
from ..io.image_size import ImageSize
from ..models.compiling import compile_backbone
from ..registry import MODELS, SCOPE, TASK_UTILS
from ..tasks import Task, smallest_head, task_of
from ..weights.conversion import convert
from .setting import Setting
from .timing import OURS, Absent, Contender, Series, measure
from .weights import randomize

STOCK = 'stock'
# For features or logits in inference; for the loss and the gradient of the stem in training.
TOLERANCES = {'inference': {'fp32': 1e-5, 'bf16': 0.05}, 'train': {'fp32': 1e-3, 'bf16': 0.3}}


class TimmConvNeXt(nn.Module):
    """timm's ConvNeXt as a backbone, with the output norms of the dense recipes.

    Args:
        depths, dims: blocks and channels of each stage.
        in_channels: channels of the images.
    """

    def __init__(self, depths: Sequence[int], dims: Sequence[int], in_channels: int = 3) -> None:
        super().__init__()
        import timm  # here, because it takes seconds to import
        from timm.layers import LayerNorm2d

        self.body = timm.create_model(
            'convnext_tiny', features_only=True, feature_cls='getter', depths=depths, dims=dims, in_chans=in_channels
        )
        self.norms = nn.ModuleList(LayerNorm2d(dim, eps=1e-6) for dim in dims)

    def init_weights(self) -> None:
        """Do nothing; mmengine calls this, but the weights are loaded later."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(norm(output) for norm, output in zip(self.norms, self.body(images), strict=True))


def dense(cfg: Config, batch: int, size: ImageSize, setting: Setting, training: bool = True) -> Iterator[Series]:
    """Measure inference, from images to results at their size, and the training step including AdamW's step.

    The peer has mmdet's or mmseg's own heads with the same weights, and timm's backbone. Weights, images and
    annotations are random; there is no stochastic depth or dropout. In bf16 both run under autocast. With
    ``setting.compiled`` the backbones are compiled.

    Args:
        cfg: config of a detector or segmentor.
        batch: images per batch.
        size: height and width of the images.
        setting: device, dtypes and duration.
        training: measure the training step as well.
    """
    cfg = copy.deepcopy(cfg)
    task = task_of(cfg)
    cfg.model.backbone.drop_path_rate = 0.0
    for head in ('decode_head', 'auxiliary_head'):
        if head in cfg.model:
            cfg.model[head].dropout_ratio = 0.0
    task.set_training_shape(cfg, size)
    ours = _build(cfg)
    randomize(ours)
    weights = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    data = random_batch(task, cfg.default_scope, smallest_head(cfg), batch, size, ours.backbone.in_channels)

    for what in ('inference', 'train') if training else ('inference',):
        ours.load_state_dict(weights)
        setting.say(f'{task.model_name}, {what}: the reference')
        with setting.precisely(training=what == 'train'):
            check = _contender(what, task, OURS, 'fp32', ours, data, Setting(setting.device)).check
            assert check is not None
            measured = Series(
                f'{task.model_name}, {what}',
                f'{cfg.model.type} on ConvNeXt, {batch} x {ours.backbone.in_channels} x {size}',
                batch,
            )
            contenders = _contenders(what, task, cfg, weights, data, setting)
            series = measure(measured, contenders, check(), TOLERANCES[what], setting)
        yield series


def _contenders(
    what: str, task: Task, cfg: Config, weights: dict[str, Tensor], data: dict, setting: Setting
) -> Iterator[Contender | Absent]:
    for dtype in setting.dtypes:
        ours = _build(cfg)
        ours.load_state_dict(weights)
        yield _contender(what, task, OURS, dtype, ours, data, setting)
    for dtype in setting.dtypes:
        stock_cfg = copy.deepcopy(cfg)
        stock_cfg.model = stock(cfg.model, ours.backbone.depths, ours.backbone.dims)
        peer = _build(stock_cfg)
        peer.load_state_dict(_stock_weights(weights))
        yield _contender(what, task, STOCK, dtype, peer, data, setting)


def _build(cfg: Config) -> Any:
    return revert_sync_batchnorm(build_model(cfg))


def stock(model: Any, depths: Sequence[int], dims: Sequence[int]) -> Any:
    """Return a model's config with timm's backbone, and our other classes replaced by their mmdet or mmseg bases."""
    if isinstance(model, list | tuple):
        return [stock(part, depths, dims) for part in model]
    if not isinstance(model, dict):
        return model
    changed = {key: stock(value, depths, dims) for key, value in model.items()}
    if 'backbone' in model:
        channels = model['backbone'].get('in_channels', 3)
        changed['backbone'] = dict(type=TimmConvNeXt, depths=depths, dims=dims, in_channels=channels)
    if str(model.get('type')).startswith(f'{SCOPE}.') and 'bands' not in model:  # neither library takes bands
        bases = (MODELS.get(model['type']) or TASK_UTILS.get(model['type'])).__mro__
        changed['type'] = next((c for c in bases if c.__module__.split('.')[0] in ('mmdet', 'mmseg')), model['type'])
    return changed


def _stock_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    converted = convert(weights, 'timm', conv_mlp=False)
    stock_weights = {f'backbone.body.model.{name}': tensor for name, tensor in converted.state.items()}
    for name in converted.left_over:  # the norms of the outputs, neck and heads
        stock_weights[name.replace('backbone.norm', 'backbone.norms.')] = weights[name]
    return stock_weights


def _contender(what: str, task: Task, name: str, dtype: str, model: Any, data: dict, setting: Setting) -> Contender:
    model = model.to(setting.device)
    layout = 'channels_last' if name == OURS else 'NCHW'
    stem = next(p for p in model.backbone.parameters() if p.ndim == 4 and p.shape[2:] == (4, 4))
    if setting.compiled:
        compile_backbone(model)

    if what == 'inference':
        model.eval()

        @torch.inference_mode()
        def infer() -> Any:
            with setting.autocast(dtype):
                return model.test_step(copy.deepcopy(data))

        @torch.inference_mode()
        def check() -> list[Tensor]:
            prepared = model.data_preprocessor(copy.deepcopy(data), False)
            with setting.autocast(dtype):
                return task.comparable_outputs(model, prepared['inputs'], prepared['data_samples'])

        return Contender(name, dtype, layout, infer, check)

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def loss() -> Tensor:
        torch.manual_seed(0)  # for the sampling of proposals
        np.random.seed(0)
        inputs = model.data_preprocessor(copy.deepcopy(data), True)
        with setting.autocast(dtype):
            losses = model(**inputs, mode='loss')
        return model.parse_losses(losses)[0]

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    def check_step() -> list[Tensor]:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        assert stem.grad is not None
        return [value.detach(), stem.grad.clone()]

    return Contender(name, dtype, layout, step, check_step, loss, model)


def random_batch(task: Task, scope: str, classes: int, batch: int, size: ImageSize, channels: int = 3) -> dict:
    """Make a batch of noise in the data loader's format, with random annotations.

    Args:
        task: a task with random samples, detection or segmentation.
        scope: the default scope of its configs.
        classes: number of classes.
        batch: number of images.
        size: height and width of the images.
        channels: number of bands; other than three are noise around 0, as they are normalized.
    """
    rng = np.random.default_rng(0)
    with DefaultScope.overwrite_default_scope(scope):
        samples = [task.random_sample(rng, size, classes) for _ in range(batch)]
    if channels != 3:
        for sample in samples:
            sample['inputs'] = torch.from_numpy(rng.standard_normal((channels, *size), np.float32))
    return {'inputs': [s['inputs'] for s in samples], 'data_samples': [s['data_samples'] for s in samples]}
