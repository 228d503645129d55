"""Reading the settings of a network that its weights do not contain, or knowing them by the weights' format and size.

They are read from the ``config.json`` next to the weights in Hugging Face repositories, including timm's, and from the
metadata of our own checkpoints. Networks that :class:`~convnext_dense.models.ConvNeXt` can't compute are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..archs import ArchSettings, norm_eps_of
from ..errors import UserError
from .config_text import backbone_in
from .conversion import ConvertedWeights, convert
from .fetch import HUB_CONFIG, HUB_FILES, OPEN_CLIP_CONFIG, OPEN_CLIP_FILES
from .formats import HF, HF_DINOV3, MMPRETRAIN, TIMM, TIMM_FEATURES, detect_arch
from .published_preprocessing import read_json
from .settings import EPS, POSITIONS, NetworkSettings, described
from .structure import detect_structure

HF_EPS = 1e-12  # of the final norm in transformers' networks, by default
VERSION_KEY: Final = 'convnext_dense'  # in the meta of checkpoints written here: the version of this package
NAMES_OF_ACTIVATIONS = {
    'gelu': ('gelu', 'gelu_python', 'GELU'),
    'gelu_tanh': ('gelu_pytorch_tanh', 'gelu_new', 'gelu_python_tanh', 'GELUTanh'),
    'silu': ('silu', 'swish', 'SiLU', 'Swish'),
    'relu': ('relu', 'ReLU'),
    'leaky_relu': ('leaky_relu', 'LeakyReLU'),
    'mish': ('mish', 'Mish'),
    'hard_swish': ('hardswish', 'HardSwish', 'Hardswish', 'HSwish'),
}
"""By our names, those in transformers' configs (its ``activations.py``), and the classes of torch, timm and mmcv.

The first of each is written into configs for transformers.
"""
OUR_ACTIVATION = {theirs: own for own, names in NAMES_OF_ACTIVATIONS.items() for theirs in names}
NORMS_OF_TIMM = {'LayerNorm': 'layer_norm', 'RmsNorm': 'rms_norm', 'SimpleNorm': 'simple_norm'}
"""Our names of the classes of norms in timm's networks, which may end in ``2d``."""
NORMS_OF_MMPRETRAIN = ('LN2d', 'SparseLN2d')
"""Its LayerNorms over channels; the sparse one is that of masked pre-training (SparK)."""
ARGUMENTS_OF_TIMM = (
    *('depths', 'dims', 'kernel_sizes', 'stem_type', 'patch_size', 'in_chans', 'num_classes', 'output_stride'),
    *('head_norm_first', 'head_hidden_size', 'conv_mlp', 'conv_bias', 'use_grn', 'ls_init_value'),
    *('act_layer', 'norm_layer', 'norm_eps'),
)
"""The arguments that a config's ``model_args`` may give to timm's network; others could name files to load."""


# -- what is known of weights


def network_settings(path: Path, weights: ConvertedWeights, meta: Mapping) -> NetworkSettings:
    """Read the settings of the network of some weights.

    Args:
        path: the weights file; its folder may have a ``config.json``.
        weights: the weights in our names.
        meta: the checkpoint's metadata, which has the settings in checkpoints of this package.

    Raises:
        UserError: if the network is not a ConvNeXt that is known here, or the ``config.json`` is of other weights.
    """
    config = path.with_name(OPEN_CLIP_CONFIG if path.name in OPEN_CLIP_FILES else HUB_CONFIG)
    of_hub = weights.source in (HF.name, HF_DINOV3.name, TIMM.name, TIMM_FEATURES.name)
    of_dinov3 = named_dinov3(path)
    if not of_hub:
        found = _read_meta(meta, weights, path)
    elif path.name not in HUB_FILES or not config.is_file():
        found = _assume(weights)
    else:
        try:
            content = _of_backbone(read_json(config))
            _check_library(content, weights, path, config)
            if tag := _tag_of_timm(content):
                of_dinov3 = tag.startswith('dinov3_')
            read = _read_timm if 'architecture' in content else _read_hf
            found = read(content, weights, f'{path} ({weights.source})', config)
        except UserError:  # a ValueError, which says more than the next
            raise
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError, RuntimeError, OSError):
            raise UserError(
                f'{config} is not the config of a ConvNeXt, so that {path} cannot be used: take other weights'
            ) from None
        found = found._replace(note=f'{described(found)}, from {config.name}')
    positions = (
        weights.normalizes_positions
        or (not of_hub and meta.get(POSITIONS) is True)
        or weights.source == HF_DINOV3.name
        or 'backbone.norm_pre.weight' in weights.state
        or (weights.source == TIMM.name and of_dinov3)
    )
    return found._replace(normalizes_positions=positions)


def _check_library(content: dict, weights: ConvertedWeights, path: Path, config: Path) -> None:
    """Check that a config is of the library that wrote the weights: another's defaults are not theirs.

    Raises:
        UserError: if it is not.
    """
    of_timm = weights.source in (TIMM.name, TIMM_FEATURES.name)
    if of_timm != ('architecture' in content) and content.keys() & {'architecture', 'model_type'}:
        of_config, of_weights = ("transformers'", "timm's") if of_timm else ("timm's", "transformers'")
        raise UserError(
            f'{config} is {of_config}, and the weights in {path} have {of_weights} names: '
            'put the config.json of these weights beside them'
        )


def named_dinov3(path: Path) -> bool:
    """Whether a file, or the folder of a downloaded repository that it is in, has timm's name of DINOv3's weights."""
    folders = path.parts[-4:-1] if path.name in HUB_FILES else ()
    return bool(
        re.search(r'convnext_\w+\.dinov3_', path.name)
        or any(re.match(r'(models--)?timm--convnext_\w+\.dinov3_', folder) for folder in folders)
    )


def _tag_of_timm(content: dict) -> str:
    """Return timm's name of the weights that a config is of, such as ``dinov3_lvd1689m``; empty if it has none."""
    tag = (content.get('pretrained_cfg') or {}).get('tag') or content.get('architecture', '').partition('.')[2]
    return str(tag)


def _read_meta(meta: Mapping, weights: ConvertedWeights, path: Path) -> NetworkSettings:
    """Read the settings in the metadata of a checkpoint; those of older versions and other formats are the papers'."""
    known: dict[str, Any] = {
        key: meta[key] for key in ('norm_eps', 'final_norm_eps') if isinstance(meta.get(key), float)
    }
    known |= {key: meta[key] for key in ('activation', 'norm') if isinstance(meta.get(key), str)}
    if known.get('activation', 'gelu') not in NAMES_OF_ACTIVATIONS:
        raise UserError(
            f'{path} is of a network with activation {known["activation"]}, unknown here: take other weights'
        )
    size = detect_arch(weights.state).size
    if weights.source == MMPRETRAIN.name and not known:
        if (backbone := mmpretrain_backbone(meta)) is not None:
            return _read_mmpretrain(backbone, f'{path} ({weights.source})', f'the config in {path}')
        settings = NetworkSettings(norm_eps_of(size), '', norm_eps_of(size), 'gelu', 'layer_norm', assumed=True)
        return settings._replace(note=f'{described(settings)} assumed, without a config in it')
    norm_eps = EPS if VERSION_KEY in meta else norm_eps_of(size)
    settings = NetworkSettings(norm_eps=norm_eps, activation='gelu')._replace(**known)
    usual = settings.norm_eps == EPS and settings.activation == 'gelu'
    return settings if usual else settings._replace(note=described(settings))


def mmpretrain_backbone(meta: Mapping) -> dict[str, Any] | None:
    """Return the backbone in the config of a checkpoint of mmdet, mmseg or mmpretrain; None if nothing tells it."""
    texts = (meta.get(key) for key in ('cfg', 'config'))  # of mmengine and mmcv 1
    return next((found for text in texts if isinstance(text, str) and (found := backbone_in(text))), None)


def norm_of_mmpretrain(weights: ConvertedWeights, meta: Mapping) -> ConvertedWeights:
    """Rename the final norm of weights of mmpretrain whose config has it before the pooling."""
    if (mmpretrain_backbone(meta) or {}).get('gap_before_final_norm') is not False:
        return weights
    state = {name.replace('backbone.norm.', 'backbone.norm_pre.'): tensor for name, tensor in weights.state.items()}
    return weights._replace(state=state)


def _read_mmpretrain(backbone: dict[str, Any], name: str, config: str) -> NetworkSettings:
    """Read the config of mmpretrain's ``ConvNeXt``; its defaults are exact GELU, and LN2d with eps 1e-6.

    A norm without an eps has torch's (``build_norm_layer`` in mmpretrain's ``models/utils/norm.py``).
    """
    told = (backbone.get('act_cfg', {'type': 'GELU'}), backbone.get('norm_cfg', {'type': 'LN2d', 'eps': EPS}))
    options, norm = (dict(part) if isinstance(part, Mapping) else {} for part in told)
    options.pop('inplace', None)
    act, norm_kind = (str(part.pop('type', None)).rpartition('.')[2] for part in (options, norm))
    eps = norm.get('eps', 1e-5)
    if norm_kind not in NORMS_OF_MMPRETRAIN:
        raise _unknown(name, f'norms of kind {norm_kind!r}', config)
    _check_eps(eps, 'eps', name, config)
    if options == {'approximate': 'tanh'} and act == 'GELU':
        act, options = 'GELUTanh', {}
    if act not in OUR_ACTIVATION or options:
        with_options = ''.join(f' with {key}={value}' for key, value in options.items())
        raise _unknown(name, f'activation {act!r}{with_options}', config)
    settings = NetworkSettings(eps, '', eps, OUR_ACTIVATION[act], 'layer_norm')
    usual = eps == EPS and settings.activation == 'gelu'
    return settings if usual else settings._replace(note=f'{described(settings)}, from the config in it')


def _assume(weights: ConvertedWeights) -> NetworkSettings:
    """Assume the settings of weights whose format has none: those of the library's own networks of this size.

    They are certain for the sizes that timm has one network of, and for DINOv3.
    """
    arch, structure = detect_arch(weights.state), detect_structure(weights.state)
    if weights.source == HF.name:
        settings = NetworkSettings(HF_EPS, '', EPS, 'gelu', 'layer_norm', assumed=True)
    elif weights.source == HF_DINOV3.name:
        return NetworkSettings(EPS, '', EPS, 'gelu', 'layer_norm')
    else:
        eps = norm_eps_of(arch.size)
        norm = structure.norm or {'zepto': 'simple_norm'}.get(arch.name or '')  # as timm's networks of this size
        settings = NetworkSettings(eps, '', eps, 'gelu', norm, assumed=arch.name is None or norm is None)
        if not settings.assumed:
            usual = eps == EPS and norm == 'layer_norm'
            return settings if usual else settings._replace(note=f"{described(settings)}, as in timm's {arch.name}")
    return settings._replace(note=f'{described(settings)} assumed, without a {HUB_CONFIG}')


# -- reading config.json


def _of_backbone(content: dict) -> dict:
    """Return the part of a config that is about the backbone.

    A segmentor's or detector's config in transformers has its backbone's inside, or the name of one of timm; that of
    open_clip names timm's network of the image tower.
    """
    if 'model_cfg' in content:
        return {'architecture': content['model_cfg']['vision_cfg']['timm_model_name']}
    content = content.get('backbone_config') or content
    if content.get('model_type') == 'timm_backbone' or content.get('use_timm_backbone'):
        stride = content.get('output_stride') or 32
        return {'architecture': content['backbone'], 'model_args': {'output_stride': stride}}
    return content


def _read_hf(content: dict, weights: ConvertedWeights, name: str, config: Path) -> NetworkSettings:
    """Read a transformers config; its defaults are exact GELU, and eps 1e-12, in DINOv3's 1e-6 for all norms."""
    labels = content.get('num_labels', len(content.get('id2label') or ()))
    kind = content['model_type']
    if kind not in ('convnext', 'convnextv2', 'dinov3_convnext'):
        raise ValueError
    dinov3 = weights.source == HF_DINOV3.name
    arch, structure = detect_arch(weights.state), detect_structure(weights.state)
    found = {
        'model_type': (kind, 'dinov3_convnext' if dinov3 else 'convnextv2' if arch.version == 2 else 'convnext'),
        'depths': (content.get('depths'), arch.size.depths),
        'hidden_sizes': (content.get('hidden_sizes'), arch.size.dims),
        'num_channels': (content.get('num_channels'), structure.in_channels),
        'number of labels': (labels, _classes(weights)),
    }
    _check_told(found, name, config)
    activation = content.get('hidden_act', 'gelu')
    if activation not in OUR_ACTIVATION:
        raise _unknown(name, f'activation {activation!r}', config)
    eps = float(content.get('layer_norm_eps', EPS if dinov3 else HF_EPS))
    _check_eps(eps, 'layer_norm_eps', name, config)
    return NetworkSettings(eps, '', eps if dinov3 else EPS, OUR_ACTIVATION[activation], 'layer_norm')


def _read_timm(content: dict, weights: ConvertedWeights, name: str, config: Path) -> NetworkSettings:
    """Read a timm config by building its network."""
    import timm
    import torch

    architecture, arguments = content['architecture'], content.get('model_args') or {}
    if not timm.models.is_model(architecture) or not timm.models.is_model_in_modules(architecture, ['convnext']):
        raise ValueError
    arch = detect_arch(weights.state)
    told = {'depths': (arguments.get('depths'), arch.size.depths), 'dims': (arguments.get('dims'), arch.size.dims)}
    _check_told(told, name, config)  # before a network of any size is built
    known = {key: arguments[key] for key in ARGUMENTS_OF_TIMM if key in arguments}
    if (stride := known.get('output_stride', 32)) != 32:
        raise _unknown(name, f'output_stride {stride}, with dilated convolutions', config)
    pooling = arguments.get('global_pool', content.get('global_pool')) or 'avg'
    if pooling not in ('avg', 'fast') and 'head.weight' in weights.state:
        raise _unknown(name, f'global_pool {pooling!r} before its head', config)
    with torch.device('meta'):
        network: Any = timm.models.model_entrypoint(architecture)(**known)
    norms = [m for m in network.modules() if hasattr(m, 'eps') and type(m).__name__ != 'GlobalResponseNorm']
    kinds = sorted({type(module).__name__.removesuffix('2d') for module in norms})
    activations = sorted({type(block.mlp.act).__name__ for stage in network.stages for block in stage.blocks})
    if kinds[0] not in NORMS_OF_TIMM or len(kinds) > 1:
        raise _unknown(name, f'norms of kind {" and ".join(kinds)}', config)
    if activations[0] not in OUR_ACTIVATION:
        raise _unknown(name, f'activation {activations[0]}', config)
    _check_same_network(convert(network.state_dict(), 'ours'), weights, architecture, name, config)
    labels = content.get('num_classes', arguments.get('num_classes'))
    _check_told({'num_classes': (labels, _classes(weights))}, name, config)
    (eps,) = {module.eps for module in norms}
    _check_eps(eps, 'norm_eps', name, config)
    return NetworkSettings(eps, '', eps, OUR_ACTIVATION[activations[0]], NORMS_OF_TIMM[kinds[0]])


def _check_same_network(
    built: ConvertedWeights, weights: ConvertedWeights, architecture: str, name: str, config: Path
) -> None:
    """Check that weights have version, sizes and structure of the network that a timm config builds."""
    arch, own_arch = detect_arch(built.state), detect_arch(weights.state)
    structure, own = detect_structure(built.state), detect_structure(weights.state)
    found: dict[str, tuple[Any, Any]] = {
        'version': (arch.version, own_arch.version),
        'depths': (arch.size.depths, own_arch.size.depths),
        'dims': (arch.size.dims, own_arch.size.dims),
        'norm_before_pooling': (bool(structure.norm_before_pooling), own.norm_before_pooling),
    }
    for key in ('stem', 'kernel_size', 'in_channels', 'norm'):
        built_value, value = (getattr(one, key) or 'without a bias' for one in (structure, own))
        found[key] = built_value, value
    named = {f'{key} (by architecture {architecture})': values for key, values in found.items()}
    _check_told(named, name, config)


def _check_told(found: Mapping[str, tuple[Any, Any]], name: str, config: Path) -> None:
    """Check that what a config tells, if it does, is what weights have.

    Args:
        found: the key in the config, with its value and that of the weights; None for either that is unknown.
        name: the weights, for the message.
        config: the config.

    Raises:
        UserError: with the first difference.
    """
    for key, (told, own) in found.items():
        told = tuple(told) if isinstance(told, list | ArchSettings) else told
        if told not in (None, 0) and own is not None and told != own:
            raise UserError(
                f'{config} contradicts its weights: {key} is {told} there, and {own} in {name}: '
                'put the config.json of these weights beside them'
            )


def _classes(weights: ConvertedWeights) -> int | None:
    return len(weights.state['head.weight']) if 'head.weight' in weights.state else None


def _check_eps(eps: Any, key: str, name: str, config: Path | str) -> None:
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < 1:
        raise _unknown(name, f'{key} {eps}', config)


def _unknown(name: str, what: str, config: Path | str) -> UserError:
    return UserError(
        f'{name} is for a network with {what} (see {config}), which is not computed here: take other weights'
    )
