"""A model that is to be shared: its weights, what they are for, and how its images are prepared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from ...archs import norm_eps_of
from ...errors import UserError
from ...weights.extraction import Weights
from ...weights.formats import STAGES, Arch, detect_arch
from ...weights.layer_names import part_of
from ...weights.loading import check_is_convnext
from ...weights.preprocessing import IMAGENET_MEAN, IMAGENET_STD, WARP_FROM, Preprocessing, describe_doubt
from ...weights.published_preprocessing import BORDER, CENTER, SQUASH, TRANSFORMERS
from ...weights.structure import Structure, detect_structure

Kind = Literal['classifier', 'features', 'maps', 'segmentor']
HIDDEN = 'head.hidden.weight'
ASSUMED = 'assumed, as on ImageNet'


@dataclass(frozen=True)
class HubModel:
    """A model that is to be shared.

    Attributes:
        weights: in our names, those of the parts that are shared alone.
        kind: ``'classifier'``; ``'features'``, a backbone with its final norm; ``'maps'``, a backbone with a norm for
            each output; or ``'segmentor'``.
        preprocessing: without None, but for ``input_size``, ``crop_ratio`` and ``crop_mode`` of dense models.
        settings: the ``model`` in the run's config; empty if it is unknown.
        labels: names of the classes; None if they are unknown.
        results: metrics in percent by name.
        reduce_zero_label: whether label 0 of a segmentor's masks means unlabeled.
        value_range: the values of images that become black and white, if not 0 and 255.
        averaged: whether the weights are a moving average.
    """

    weights: Weights
    kind: Kind
    preprocessing: Preprocessing
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: list[str] | None = None
    results: Mapping[str, float] = field(default_factory=dict)
    reduce_zero_label: bool = False
    value_range: Sequence[float] | None = None
    averaged: bool = False

    @property
    def arch(self) -> Arch:
        return detect_arch(self.state)

    @property
    def state(self) -> dict[str, Tensor]:
        return self.weights.state

    @property
    def num_classes(self) -> int:
        """Number of classes, 0 without a head."""
        name = {'classifier': 'head.weight', 'segmentor': 'decode_head.conv_seg.weight'}.get(self.kind)
        return len(self.state[name]) if name else 0

    @property
    def structure(self) -> Structure:
        return detect_structure(self.state)

    @property
    def head_hidden_size(self) -> int | None:
        """Channels of the hidden layer in the head, None without one."""
        return len(self.state[HIDDEN]) if HIDDEN in self.state else None

    @property
    def license(self) -> str | None:
        """Name of the license of the weights, or of those that their training started from; None if unknown."""
        return self.weights.origin.license if self.weights.origin else None

    @property
    def output_stages(self) -> list[int]:
        """The stages whose outputs have norms of their own."""
        return [s for s in STAGES if f'backbone.norm{s}.weight' in self.state]

    @property
    def has_layer_scale(self) -> bool:
        return any(name.endswith('.gamma') and '.grn.' not in name for name in self.state)

    @property
    def norm_eps(self) -> float:
        """Eps of all norms but the final one."""
        return self.weights.settings.norm_eps or norm_eps_of(self.arch.size)

    @property
    def final_norm_eps(self) -> float:
        return self.weights.settings.final_norm_eps or self.norm_eps

    @property
    def activation(self) -> str:
        """A name of :data:`~convnext_dense.models.layers.ACTIVATIONS`."""
        return self.weights.settings.activation or 'gelu'

    @property
    def norm(self) -> str | None:
        """A name of :data:`~convnext_dense.models.layers.NORMS`; None if nothing tells which one without a bias."""
        return self.weights.settings.norm or self.structure.norm

    @property
    def crop_mode(self) -> str | None:
        """The crop mode without the difference between timm and transformers, which is the rounding of margins."""
        images = self.preprocessing
        if images.crop_mode != TRANSFORMERS or images.input_size is None:
            return images.crop_mode
        return SQUASH if min(images.input_size) >= WARP_FROM else CENTER

    @property
    def crop_ratio(self) -> float:
        images = self.preprocessing
        warps = images.crop_mode == TRANSFORMERS and self.crop_mode == SQUASH
        return 1.0 if warps or images.crop_ratio is None else images.crop_ratio


def shared_model(
    weights: Weights, evaluation: Preprocessing | None = None, backbone_only: bool = False, **facts: Any
) -> HubModel:
    """Find out what weights are of.

    Args:
        weights: of a classifier, a detector, a segmentor or a backbone.
        evaluation: how images are prepared in the run's tests, which goes before what the weights tell.
        backbone_only: leave neck and heads out.
        **facts: further attributes of :class:`HubModel`.

    Raises:
        UserError: if they are of no ConvNeXt, or of a model that no layout has.
    """
    check_is_convnext(weights)
    if not any(detect_arch(weights.state).size.depths):
        raise UserError(f'{weights.path} is an isotropic ConvNeXt, which neither timm nor transformers has')
    if weights.preprocessing is not None and weights.preprocessing.bands is not None:
        raise UserError(
            f'{weights.path} is of a network that takes {weights.preprocessing.bands} as stored, and neither library '
            'prepares such images: share it as ONNX'
        )
    if backbone_only:
        weights = weights._replace(state={n: t for n, t in weights.state.items() if n.startswith('backbone.')})
    kind = _kind(weights)
    preprocessing = completed(weights.preprocessing, evaluation, dense=kind in ('maps', 'segmentor'))
    if preprocessing.bgr:
        raise UserError(f'{weights.path} is of a network that takes BGR images, as no layout has one')
    channels = detect_structure(weights.state).in_channels
    if len(preprocessing.mean) != channels:
        raise UserError(
            f'{weights.path} is of a network with {channels} input channels, and its images have a mean of '
            f'{len(preprocessing.mean)} ({preprocessing.source}): give --mean and --std'
        )
    labels = weights.classes if kind in ('classifier', 'segmentor') else None
    model = HubModel(weights, kind, preprocessing, labels=labels, **facts)
    if labels is not None and len(labels) != model.num_classes:
        raise UserError(f'{weights.path} names {len(labels)} classes, and its head has {model.num_classes}')
    return model


def preprocessing_note(model: HubModel, layout: str) -> str:
    """Say what is in doubt about how images are prepared, or differs in a layout; empty for nothing."""
    images, weights = model.preprocessing, model.weights
    if model.value_range:
        return f'neither library scales values from {model.value_range[0]:g} to {model.value_range[1]:g} to 0 to 255'
    if images.source == ASSUMED and (doubt := describe_doubt(weights.path, weights.source)):
        return f"mean and std are ImageNet's, {doubt}"
    if model.crop_mode != CENTER:
        return ''
    if layout == 'timm' and images.crop_mode == TRANSFORMERS:
        return 'made for crops whose odd margins are rounded down: in timm the place can differ by a pixel'
    if layout == 'hf' and images.crop_mode != TRANSFORMERS:
        return 'transformers rounds odd margins of the crop down: its place can differ by a pixel'
    return ''


def _kind(weights: Weights) -> Kind:
    parts = {part_of(name) for name in weights.state} - {'backbone'}
    norms = [part for part in parts if 'norm' in part]
    parts -= set(norms)
    if parts == {'head'} and norms == ['final norm'] and 'head.weight' in weights.state:
        return 'classifier'
    if not parts and len(norms) == 1:
        return 'features' if norms == ['final norm'] else 'maps'
    if not norms:
        raise UserError(
            f'{weights.path} ({weights.source}) has no final norm, without which no layout has a network: train a '
            'classifier from it, and push that'
        )
    if 'decode_head' in parts:
        return 'segmentor'
    raise UserError(
        f'{weights.path} is of a model with {_listed(parts)}, which neither layout has: --backbone pushes its '
        'backbone alone'
    )


def _listed(names: Iterable[str]) -> str:
    return ', '.join(sorted(names))


def completed(
    found: Preprocessing | None, evaluation: Preprocessing | None = None, dense: bool = False
) -> Preprocessing:
    """Fill in what is unknown about how images are prepared, as in the official evaluation on ImageNet.

    Args:
        found: what the weights tell.
        evaluation: what the run's config tells, which goes first.
        dense: leave out size and crop, which detectors and segmentors do not have.
    """
    both = [one for one in (evaluation, found) if one is not None]
    known = both[0] if both else Preprocessing(IMAGENET_MEAN, IMAGENET_STD, source=ASSUMED)
    if dense:
        return replace(known, input_size=None, crop_ratio=None, crop_mode=None, interpolation='bilinear')
    values: dict[str, Any] = {}
    for name in ('input_size', 'crop_ratio', 'interpolation', 'crop_mode', 'border'):
        values[name] = next((value for one in both if (value := getattr(one, name)) is not None), None)
    size = values['input_size'] or (224, 224)
    warps = values['crop_mode'] is None and min(size) >= WARP_FROM and values['crop_ratio'] in (None, 1.0)
    mode = values['crop_mode'] or (SQUASH if warps else CENTER)
    return replace(
        known,
        input_size=size,
        crop_ratio=values['crop_ratio'] or (1.0 if mode in (SQUASH, BORDER) else 0.875),
        interpolation=values['interpolation'] or 'bicubic',
        crop_mode=mode,
        border=values['border'] if mode == BORDER else None,
    )
