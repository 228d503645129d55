"""Inference and training step of a whole detector or segmentor, ours and one of stock parts."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ..engine.building import build_model
from ..models.compiling import compile_backbone
from ..registry import MODELS, SCOPE
from ..weights.formats import convert
from .setting import Setting
from .timing import OURS, Absent, Contender, Series, measure
from .weights import randomize

STOCK = 'stock'
THINGS = 10  # in an image
# Of the features or logits that inference starts from; of a step's loss and the gradient of its stem.
TOLERANCES = {'inference': {'fp32': 1e-5, 'bf16': 0.05}, 'train': {'fp32': 1e-3, 'bf16': 0.3}}


class TimmConvNeXt(nn.Module):
    """timm's ConvNeXt as a backbone, with the norms of the outputs that the dense recipes have.

    Args:
        depths, dims: blocks and channels of each stage.
    """

    def __init__(self, depths: Sequence[int], dims: Sequence[int]) -> None:
        super().__init__()
        import timm  # here, because it takes seconds to import
        from timm.layers import LayerNorm2d

        self.body = timm.create_model(
            'convnext_tiny', features_only=True, feature_cls='getter', depths=depths, dims=dims
        )
        self.norms = nn.ModuleList(LayerNorm2d(dim, eps=1e-6) for dim in dims)

    def init_weights(self) -> None:
        """As mmengine's models have it; the weights are loaded."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(norm(output) for norm, output in zip(self.norms, self.body(images), strict=True))


def dense(
    cfg: Config, batch: int, shape: tuple[int, int], setting: Setting, training: bool = True
) -> Iterator[Series]:
    """Measure inference, from images to results at their size, and the training step, up to AdamW's step.

    The peer has the same heads with the same weights, as mmdet and mmseg have them, around timm's backbone. The
    weights, the images and what is to be found in them are random; nothing is dropped at random. In bf16 both run
    under autocast. Of what is compiled, it is the backbone.

    Args:
        cfg: a detector's or segmentor's.
        shape: H and W of the images.
        training: whether to measure the step too.
    """
    cfg = copy.deepcopy(cfg)
    kind = {'detection': 'detector', 'segmentation': 'segmentor'}[cfg.task]
    cfg.model.backbone.drop_path_rate = 0.0
    for head in ('decode_head', 'auxiliary_head'):
        if head in cfg.model:
            cfg.model[head].dropout_ratio = 0.0
    if cfg.task == 'segmentation':
        cfg.model.data_preprocessor.size = shape
    ours = _build(cfg)
    randomize(ours)
    weights = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        data = _data(cfg, batch, shape)

    for what in ('inference', 'train') if training else ('inference',):
        ours.load_state_dict(weights)
        setting.say(f'{kind}, {what}: the reference')
        with setting.precisely(training=what == 'train'):
            check = _contender(what, kind, OURS, 'fp32', ours, data, Setting(setting.device)).check
            assert check is not None
            measured = Series(
                f'{kind}, {what}', f'{cfg.model.type} on ConvNeXt, {batch} x 3 x {shape[0]} x {shape[1]}', batch
            )
            contenders = _contenders(what, kind, cfg, weights, data, setting)
            series = measure(measured, contenders, check(), TOLERANCES[what], setting)
        yield series


def _contenders(
    what: str, kind: str, cfg: Config, weights: dict[str, Tensor], data: dict, setting: Setting
) -> Iterator[Contender | Absent]:
    for dtype in setting.dtypes:
        ours = _build(cfg)
        ours.load_state_dict(weights)
        yield _contender(what, kind, OURS, dtype, ours, data, setting)
    for dtype in setting.dtypes:
        stock_cfg = copy.deepcopy(cfg)
        stock_cfg.model = stock(cfg.model, ours.backbone.depths, ours.backbone.dims)
        peer = _build(stock_cfg)
        peer.load_state_dict(_stock_weights(weights))
        yield _contender(what, kind, STOCK, dtype, peer, data, setting)


def _build(cfg: Config) -> Any:
    return revert_sync_batchnorm(build_model(cfg))


def stock(model: Any, depths: Sequence[int], dims: Sequence[int]) -> Any:
    """A model's config with timm's backbone, and for our other parts what they extend of mmdet or mmseg."""
    if isinstance(model, list | tuple):
        return [stock(part, depths, dims) for part in model]
    if not isinstance(model, dict):
        return model
    changed = {key: stock(value, depths, dims) for key, value in model.items()}
    if 'backbone' in model:
        changed['backbone'] = dict(type=TimmConvNeXt, depths=depths, dims=dims)
    if str(model.get('type')).startswith(f'{SCOPE}.'):
        bases = MODELS.get(model['type']).__mro__
        changed['type'] = next((c for c in bases if c.__module__.split('.')[0] in ('mmdet', 'mmseg')), model['type'])
    return changed


def _stock_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    converted = convert(weights, 'timm', conv_mlp=False)
    stock_weights = {f'backbone.body.model.{name}': tensor for name, tensor in converted.state.items()}
    for name in converted.left_over:  # the norms of the outputs, neck and heads
        stock_weights[name.replace('backbone.norm', 'backbone.norms.')] = weights[name]
    return stock_weights


def _contender(what: str, kind: str, name: str, dtype: str, model: Any, data: dict, setting: Setting) -> Contender:
    model = model.to(setting.device)
    layout = 'channels_last' if name == OURS else 'NCHW'
    stem = next(p for p in model.backbone.parameters() if p.shape[1:] == (3, 4, 4))
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
                if kind == 'segmentor':
                    logits = model.inference(prepared['inputs'], [s.metainfo for s in prepared['data_samples']])
                    labels = torch.stack([sample.pred_sem_seg.data for sample in infer()]).long()
                    return [logits, logits.gather(1, labels)]  # of equal ones, either may be the label's
                return list(model.extract_feat(prepared['inputs']))

        return Contender(name, dtype, layout, infer, check)

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def loss() -> Tensor:
        torch.manual_seed(0)  # which proposals are learnt from
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


def _data(cfg: Config, batch: int, shape: tuple[int, int]) -> dict:
    """A batch of noise as the data loader gives it, each image with ten boxes, with masks or as a label map."""
    rng = np.random.default_rng(0)
    make = _detection if cfg.task == 'detection' else _segmentation
    samples = [make(rng, shape, _classes(cfg)) for _ in range(batch)]
    return {'inputs': [s['inputs'] for s in samples], 'data_samples': [s['data_samples'] for s in samples]}


def _detection(rng: np.random.Generator, shape: tuple[int, int], classes: int) -> dict:
    instances = []
    for x1, y1, x2, y2 in _boxes(rng, shape):
        instance = dict(bbox=[x1, y1, x2, y2], bbox_label=int(rng.integers(classes)), ignore_flag=0)
        instances.append(dict(instance, mask=[[x1, y1, x2, y1, x2, y2, x1, y2]]))
    keys = ('img_id', 'ori_shape', 'img_shape', 'scale_factor')
    pack = [
        dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='mmdet.PackDetInputs', meta_keys=keys),
    ]
    return Compose(pack)(dict(_image(rng, shape), instances=instances, height=shape[0], width=shape[1]))


def _segmentation(rng: np.random.Generator, shape: tuple[int, int], classes: int) -> dict:
    labels = np.zeros(shape, np.uint8)
    for x1, y1, x2, y2 in _boxes(rng, shape):
        labels[y1:y2, x1:x2] = rng.integers(classes)
    pack = dict(type='mmseg.PackSegInputs')
    return Compose([pack])(dict(_image(rng, shape), gt_seg_map=labels, seg_fields=['gt_seg_map']))


def _image(rng: np.random.Generator, shape: tuple[int, int]) -> dict:
    pixels = rng.integers(256, size=(*shape, 3), dtype=np.uint8)
    return dict(img=pixels, img_id=1, img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0))


def _boxes(rng: np.random.Generator, shape: tuple[int, int]) -> list[list[int]]:
    corners = rng.integers(shape[::-1], size=(THINGS, 2)) // 2
    sides = np.array(shape[::-1]) // rng.integers(2, 8, size=(THINGS, 1))
    return np.hstack([corners, corners + sides]).tolist()


def _classes(cfg: Config) -> int:
    """The smallest number of classes that a head has."""
    found = []

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            found.extend([part['num_classes']] if 'num_classes' in part else [])
        for item in part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ():
            visit(item)

    visit(cfg.model)
    return min(found)
