"""Benchmark of a classifier's forward pass and training step, ours and other libraries'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..archs import ArchSettings
from ..io.image_size import ImageSize
from ..models.classifier import ImageClassifier
from .peers import peers
from .setting import Setting
from .timing import OURS, Absent, Contender, Series, measure
from .weights import randomize

CLASSES = 1000
# For logits; for the loss and the gradient of the stem, which the backward pass computes last.
TOLERANCES = {'forward': {'fp32': 1e-5, 'bf16': 0.05}, 'train': {'fp32': 1e-4, 'bf16': 0.1}}


class Batch(NamedTuple):
    images: Tensor  # (N, 3, H, W)
    labels: Tensor  # (N,)


def classifier(what: str, arch: str | dict, batch: int, shape: ImageSize, setting: Setting) -> Series:
    """Measure the forward pass from images to logits (``what='forward'``) or the training step (``'train'``).

    A step is the forward pass, cross-entropy, the backward pass and AdamW's step; in bf16 it runs under autocast,
    while the forward pass alone uses bf16 weights. There is no stochastic depth. The reference is our classifier in
    fp32, not compiled.

    Args:
        what: ``'forward'`` or ``'train'``.
        arch: see :class:`~convnext_dense.models.ConvNeXt`.
        batch: images per batch.
        shape: height and width of the images.
        setting: device, dtypes and duration.
    """
    torch.manual_seed(0)
    reference = _ours(arch)
    randomize(reference)
    weights = {name: tensor.clone() for name, tensor in reference.state_dict().items()}  # its step changes them
    size = ArchSettings(reference.backbone.depths, reference.backbone.dims)
    images, labels = torch.randn(batch, 3, *shape), torch.randint(CLASSES, (batch,))
    data = Batch(images.to(setting.device), labels.to(setting.device))
    contestants: list[tuple[str, torch.memory_format, Callable[[], nn.Module]]] = [
        (OURS, torch.contiguous_format, lambda: _ours(arch, weights)),
        *((peer.name, peer.layout, lambda peer=peer: peer.build(size, weights)) for peer in peers(setting.device)),
    ]

    def contenders() -> Iterator[Contender | Absent]:
        for name, layout, build in contestants:
            try:
                models = {dtype: build() for dtype in setting.dtypes}
            except ImportError as error:
                yield Absent(name, str(error))
                continue
            for dtype, model in models.items():
                yield _contender(what, name, dtype, layout, model, data, setting)

    name = arch if isinstance(arch, str) else 'of another size'
    series = Series(what, f'ConvNeXt {name}, {batch} x 3 x {shape}', batch)
    eager = Setting(setting.device)
    with setting.precisely(training=what == 'train'):
        expected = _contender(what, OURS, 'fp32', torch.contiguous_format, reference, data, eager).run()
        return measure(series, contenders(), [t.clone() for t in expected], TOLERANCES[what], setting)


def _ours(arch: str | dict, weights: Any = None) -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=None, layer_scale_init_value=0.5)
    model = ImageClassifier(backbone, CLASSES)
    if weights is not None:
        model.load_state_dict(weights)
    return model


def _contender(
    what: str,
    name: str,
    dtype: str,
    layout: torch.memory_format,
    model: nn.Module,
    data: Batch,
    setting: Setting,
) -> Contender:
    model = model.to(setting.device, memory_format=layout)  # type: ignore[call-overload]
    images = data.images.contiguous(memory_format=layout)
    layout_name = 'channels_last' if layout == torch.channels_last or name == OURS else 'NCHW'
    if what == 'forward':
        model = model.eval()
        if dtype == 'bf16':
            model, images = model.bfloat16(), images.bfloat16()
        network = setting.ready(model)

        @torch.inference_mode()
        def forward() -> list[Tensor]:
            return [network(images)]

        return Contender(name, dtype, layout_name, forward)

    model = model.train()
    network = setting.ready(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    stem = next(p for p in model.parameters() if p.shape[1:] == (3, 4, 4))

    def loss() -> Tensor:
        with setting.autocast(dtype):
            return F.cross_entropy(network(images), data.labels)

    def step() -> list[Tensor]:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        assert stem.grad is not None
        return [value.detach(), stem.grad]

    return Contender(name, dtype, layout_name, step, loss=loss, module=model)
