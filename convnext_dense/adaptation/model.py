"""The model of a config of mmdet or mmseg on a ConvNeXt."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

from mmengine.registry import DefaultScope

from ..errors import last_line
from ..tasks.pipelines import kind_of, steps_of
from .arch import Arch
from .channels import connect
from .levels import Level, choose_stages, find_levels
from .notes import NotAdaptable, Notes
from .preprocessing import use_imagenet_levels
from .reasons import check_adaptable
from .scopes import with_scopes
from .shapes import IMAGE_SIDE, build_part, feature_shapes
from .sources import SourceConfig
from .stochastic_depth import drop_path_rate

MODULES = {
    'mmdet': ('convnext_dense.models.detector',),
    'mmseg': ('convnext_dense.models.detector', 'convnext_dense.models.segmentor'),
}
"""Modules that import a library and what its configs build on: mmseg's Mask2Former is mmdet's."""
OWN_CLASSES = {
    'mmdet.SingleRoIExtractor': 'convnext_dense.RoIExtractor',
    'mmdet.MaxIoUAssigner': 'convnext_dense.MaxIoUAssigner',
    'mmdet.CenterNetHead': 'convnext_dense.CenterNetHead',
    'mmdet.DDQDETR': 'convnext_dense.DDQDETR',
    'mmdet.DoubleConvFCBBoxHead': 'convnext_dense.DoubleConvFCBBoxHead',
    'mmdet.GridHead': 'convnext_dense.GridHead',
    'mmseg.DMHead': 'convnext_dense.DMHead',
    'mmseg.EncoderDecoder': 'convnext_dense.Segmentor',
    'mmseg.UPerHead': 'convnext_dense.UPerHead',
}
"""Classes that do what those that they derive from do, and what each adds is in :data:`ADDED`."""
ADDED = {
    'convnext_dense.RoIExtractor': 'pools in float32',
    'convnext_dense.MaxIoUAssigner': 'knows ignore regions',
    'convnext_dense.CenterNetHead': 'predicts without a border',
    'convnext_dense.DDQDETR': 'keeps its weights once',
    'convnext_dense.DMHead': 'takes any memory format',
    'convnext_dense.DoubleConvFCBBoxHead': 'takes any memory format',
    'convnext_dense.GridHead': 'takes any memory format',
    'convnext_dense.Segmentor': 'predicts with less memory',
    'convnext_dense.UPerHead': 'keeps the memory format',
}
SAME_NORM = {'MMSyncBN': 'SyncBN'}
"""mmcv's batch normalization over processes, which a single one can't build, and PyTorch's."""
LOST_SETTINGS = {
    'dcn': 'deformable convolutions',
    'plugins': 'plugins',
    'conv_cfg': 'another kind of convolutions',
    'norm_cfg': 'another kind of norms',
    'dilations': 'dilation',
    'frozen_stages': 'frozen stages',
    'norm_eval': 'frozen batch normalization',
    'init_cfg': 'pre-training',
    'pretrained': 'pre-training',
}
"""Settings of a backbone that change what is learnt, and are gone with it."""
USUAL = (None, -1, False, {'type': 'BN'}, {'type': 'SyncBN'}, {'type': 'LN'})
"""Values of them that are not worth a word."""


def adapt_model(source: SourceConfig, arch: Arch, notes: Notes) -> dict[str, Any]:
    """Return the ``model`` of the new config: every type with its scope, our backbone, channels that fit.

    The old backbone is built and run for its feature maps, and neck and heads are changed where they take these. The
    new model is built, and its neck run, before it is returned.

    Args:
        source: the config.
        arch: the ConvNeXt.
        notes: get a line for each change, and for what the user should look at.

    Raises:
        NotAdaptable: if the config has no place for a ConvNeXt, or the new model does not fit together.
    """
    for module in MODULES[source.package]:
        importlib.import_module(module)
    check_adaptable(source)
    try:
        with DefaultScope.overwrite_default_scope(source.package):  # as in training: a run before this has its own
            return _adapt(source, arch, notes)
    except NotAdaptable as error:
        raise NotAdaptable(f"{source.name} can't be adapted: {error}") from error.__cause__


def _adapt(source: SourceConfig, arch: Arch, notes: Notes) -> dict[str, Any]:
    cfg = source.cfg.to_dict()
    cfg['model'].setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = with_scopes(cfg['model'], source.package)
    levels = find_levels(model)
    if _takes_stacked_outputs(model, levels):
        _put_deconvolutions_between(model, levels, arch, notes)
        stages = [3]
    else:
        stages = choose_stages(levels, model, notes)
        stages = connect(model, levels, stages, arch.dims, notes)
    _remove_pretraining(model, notes)
    model['backbone'] = _new_backbone(model, arch, stages, source, notes)
    use_imagenet_levels(model, notes)
    model, replaced = _with_own_classes(model)
    if own := [kind for kind in ADDED if kind in replaced]:
        added = ', '.join(f'{kind.partition(".")[2]} ({ADDED[kind]})' for kind in own)
        notes.changed.append(f'classes of this package for those that they extend, with the same results: {added}')
    if 'SyncBN' in replaced:
        notes.changed.append("norm_cfg: SyncBN of PyTorch for MMSyncBN of mmcv, which a single process can't build")
    if model['type'] == 'mmdet.RPN':
        notes.undecided.append('an RPN finds boxes without classes: its AP means something for data of one class only')
    if any(kind_of(part) == 'MultiInstanceBBoxHead' for part in steps_of(model)):
        notes.undecided.append('a MultiInstanceBBoxHead finds objects of one class: data of several are refused')
    first = ('type', 'data_preprocessor', 'backbone', 'neck')
    model = {key: model[key] for key in (*first, *model) if key in model}
    _check_build(model)
    return model


def _new_backbone(
    model: dict[str, Any], arch: Arch, stages: Sequence[int], source: SourceConfig, notes: Notes
) -> dict[str, Any]:
    old = model['backbone']
    kind = str(old['type']).rpartition('.')[2]
    named = f'{kind}-{old["depth"]}' if 'depth' in old else kind
    settings = {'pretrained': source.cfg.model.get('pretrained'), **old}
    lost = list(dict.fromkeys(text for key, text in LOST_SETTINGS.items() if not _is_usual(settings.get(key))))
    gone = f'; gone with that: {", ".join(lost)}' if lost else ''
    from_scratch = (
        '' if 'pre-training' in lost or source.cfg.get('load_from') else '; the source trains it from random weights'
    )
    notes.changed.insert(0, f'backbone: ConvNeXt {arch.name} in place of {named}{gone}{from_scratch}')
    backbone = {
        'type': 'convnext_dense.ConvNeXt',
        'arch': arch.arch,
        **({'version': 2} if arch.version == 'v2' else {}),
        'out_indices': tuple(stages),
        'drop_path_rate': drop_path_rate(model, arch, notes),
    }
    return backbone if arch.version == 'v2' else {**backbone, 'layer_scale_init_value': 1.0}


def _takes_stacked_outputs(model: dict[str, Any], levels: Sequence[Level]) -> bool:
    """Whether the head takes the outputs of several networks after each other, all of one size, as of an hourglass."""
    head = model.get('bbox_head') or {}
    return model.get('neck') is None and 'num_feat_levels' in head and {level.stride for level in levels} == {4}


def _put_deconvolutions_between(model: dict[str, Any], levels: Sequence[Level], arch: Arch, notes: Notes) -> None:
    """Add CenterNet's neck of three deconvolutions, from the last stage to the stride 4 of an hourglass network."""
    channels = levels[-1].channels
    model['neck'] = {
        'type': 'mmdet.CTResNetNeck',
        'in_channels': arch.dims[-1],
        'num_deconv_filters': (channels,) * 3,
        'num_deconv_kernels': (4, 4, 4),
        'use_dcn': False,
    }
    model['bbox_head']['num_feat_levels'] = 1
    side = IMAGE_SIDE // 32
    feature_shapes([model['neck']], [(arch.dims[-1], side, side)], 'the neck')
    notes.changed.append(
        'neck: the three deconvolutions of mmdet:centernet/... lead from stride 32 to the stride 4 of the old '
        f'backbone, of which the head took {len(levels)} outputs, and now takes one'
    )
    notes.undecided.append('the new neck is a choice: nobody published this head on a ConvNeXt')


def _remove_pretraining(model: dict[str, Any], notes: Notes) -> None:
    """Remove the weights that the source starts from: those of the backbone, and those of the whole model."""
    model.pop('pretrained', None)
    for name, part in [('model', model), *((f'model.{key}', value) for key, value in model.items())]:
        init = part.get('init_cfg', ...) if isinstance(part, dict) and name != 'model.backbone' else ...
        if init is None or (isinstance(init, dict) and str(init.get('type')).startswith('Pretrained')):
            del part['init_cfg']
            if init is not None:
                notes.changed.append(f'{name}.init_cfg: gone, with the weights {init.get("checkpoint")}')


def _with_own_classes(value: Any) -> tuple[Any, set[str]]:
    """Return nested settings with other classes for those of :data:`OWN_CLASSES` and :data:`SAME_NORM`, and these."""
    if isinstance(value, dict):
        parts, used = {}, set()
        for key, part in value.items():
            parts[key], found = _with_own_classes(part)
            used |= found
        kind = parts.get('type')
        if isinstance(kind, str) and (other := {**OWN_CLASSES, **SAME_NORM}.get(kind)):
            return {**parts, 'type': other}, used | {other}
        return parts, used
    if isinstance(value, list | tuple):
        items = [_with_own_classes(part) for part in value]
        return type(value)(part for part, _ in items), {name for _, found in items for name in found}
    return value, set()


def _check_build(model: dict[str, Any]) -> None:
    import torch

    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            build_part(model)
    except Exception as error:  # anything can go wrong in the code of others
        raise NotAdaptable(f"the new model can't be built: {last_line(error)}") from error


def _is_usual(value: Any) -> bool:
    plain = {key: one for key, one in value.items() if key == 'type'} if isinstance(value, dict) else value
    usual = isinstance(value, dict) and not plain  # such as norm_cfg=dict(requires_grad=False)
    return usual or plain in USUAL or (isinstance(plain, list | tuple) and set(map(str, plain)) == {'1'})
