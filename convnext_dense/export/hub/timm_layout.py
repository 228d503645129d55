"""timm's layout: ``model.safetensors`` and ``config.json``, for ``timm.create_model('hf-hub:USER/REPO')``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UserError
from ...version import __version__
from ...weights.conversion import convert
from ...weights.formats import TIMM
from ...weights.hub_config import NORMS_OF_TIMM
from ...weights.published_preprocessing import BORDER
from ...weights.settings import EPS
from .folder import VERSION_NAME
from .model import HubModel

NAMES = {1: 'convnext', 2: 'convnextv2'}
NORMS = {own: theirs.lower() for theirs, own in NORMS_OF_TIMM.items()}
"""timm's names of norms by ours; those of activations are the same."""
BASE = 'tiny'
"""The size whose name stands for sizes that timm has no name for; their depths and dims are arguments."""


def write_timm(model: HubModel, folder: Path) -> None:
    """Write timm's files with timm's own function, from timm's own network.

    Raises:
        UserError: if timm has no such network.
        OSError: if the files can't be written.
    """
    import timm  # here, because it takes seconds to import
    import torch
    from safetensors import SafetensorError

    name, arguments = _network(model)
    try:
        with torch.device('meta'):
            network = timm.models.model_entrypoint(name)(num_classes=model.num_classes, **arguments)
        conv_mlp = network.stages[0].blocks[0].use_conv_mlp
        state = convert(model.state, TIMM.name, conv_mlp, path=model.weights.path).state
        network.load_state_dict({n: t.contiguous() for n, t in state.items()}, assign=True)
    except (RuntimeError, TypeError, AssertionError) as error:  # earlier versions know fewer arguments and norms
        first = ' '.join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f'{model.weights.path} does not fit {name} of timm {timm.__version__} ({first}): install a newer timm, '
            'or push it --to hf'
        ) from None
    network.pretrained_cfg = _pretrained_cfg(model, name)
    about: dict[str, Any] = {VERSION_NAME: __version__}
    if model.labels is not None:
        about['label_names'] = model.labels
    try:
        timm.models.save_for_hf(network, str(folder), about, arguments, safe_serialization=True)
    except SafetensorError as error:
        raise OSError(str(error)) from None


def _network(model: HubModel) -> tuple[str, dict[str, Any]]:
    """Return the name of timm's network, and the arguments by which it is the model's.

    Raises:
        UserError: if timm has no such network.
    """
    import timm

    if model.kind in ('maps', 'segmentor'):
        what = 'segmentors' if model.kind == 'segmentor' else 'norms of the outputs of stages'
        raise UserError(
            f'timm has no {what}, as {model.weights.path} has: push it --to hf, or convert the backbone, without '
            f'them: `convnext-dense convert-weights {model.weights.path} backbone.safetensors --to timm`'
        )
    if model.final_norm_eps != model.norm_eps:
        raise UserError(
            f'timm has one eps for all norms, and {model.weights.path} has {model.final_norm_eps:g} in the final norm '
            f'and {model.norm_eps:g} in the others: push it --to hf'
        )
    if model.norm is None:
        raise UserError(
            f'{model.weights.path} has norms without a bias, and nothing tells whether RMSNorm or SimpleNorm'
        )
    arch, structure = model.arch, model.structure
    arguments: dict[str, Any] = {}
    variants = ''
    if model.norm != 'layer_norm':
        variants += '_rms'
        arguments['norm_layer'] = NORMS[model.norm]
    if structure.stem != 'patch':
        variants += '_ols'
        arguments['stem_type'] = structure.stem
    if structure.norm_before_pooling:
        variants += '_hnf'
        arguments['head_norm_first'] = True
    if model.head_hidden_size:
        variants += '_mlp'
        arguments['head_hidden_size'] = model.head_hidden_size
    if set(structure.kernel_size) != {7}:
        arguments['kernel_sizes'] = list(structure.kernel_size)
    if model.activation != 'gelu':
        arguments['act_layer'] = model.activation
    if arch.version == 1 and not model.has_layer_scale:
        arguments['ls_init_value'] = None
    if structure.in_channels != 3:
        arguments['in_chans'] = structure.in_channels
    if model.norm_eps != EPS or arch.name == 'xxlarge':
        arguments['norm_eps'] = model.norm_eps
    plain = f'{NAMES[arch.version]}_{arch.name}'
    named = next((name for name in (plain + variants, plain) if timm.models.is_model(name)), None)
    if named is None:
        named = f'{NAMES[arch.version]}_{BASE}'
        arguments |= {'depths': list(arch.size.depths), 'dims': list(arch.size.dims)}
    return named, arguments


def _pretrained_cfg(model: HubModel, name: str) -> dict[str, Any]:
    images = model.preprocessing
    if model.crop_mode == BORDER and images.border is not None:
        raise UserError(
            f'timm fills borders with the mean, and images of {model.weights.path} get level {images.border} '
            f'({images.source}): no layout has that'
        )
    assert images.input_size is not None
    height, width = images.input_size
    return {
        'architecture': name,
        'custom_load': False,
        'input_size': [model.structure.in_channels, height, width],
        'fixed_input_size': False,
        'interpolation': images.interpolation,
        'crop_pct': model.crop_ratio,
        'crop_mode': model.crop_mode,
        'mean': list(images.mean),
        'std': list(images.std),
        'num_classes': model.num_classes,
        'pool_size': [height // 32, width // 32],
        'first_conv': 'stem.0',
        'classifier': 'head.fc',
        **({} if model.license is None else {'license': model.license}),
    }
