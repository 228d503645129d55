"""timm's layout: ``model.safetensors`` and ``config.json``, for ``timm.create_model('hf-hub:USER/REPO')``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UserError
from ...version import __version__
from ...weights.formats import TIMM, TIMM_CONV_MLP, convert
from ...weights.hub_config import EPS
from .folder import VERSION_NAME
from .model import HubModel

NAMES = {1: 'convnext', 2: 'convnextv2'}
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
    conv_mlp = name.split('_', 1)[1] in TIMM_CONV_MLP
    state = convert(model.state, TIMM.name, conv_mlp, path=model.weights.path).state
    with torch.device('meta'):
        network = timm.models.model_entrypoint(name)(num_classes=model.num_classes, **arguments)
    try:
        network.load_state_dict({n: t.contiguous() for n, t in state.items()}, assign=True)
    except RuntimeError as error:
        first = ' '.join(str(error).split())[:200]
        raise UserError(f"{model.weights.path} does not fit timm's {name} ({first}): push it --to hf") from None
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
    if model.final_norm_eps != EPS:
        raise UserError(
            f'timm has one eps for all norms, and {model.weights.path} has {model.final_norm_eps:g} in the final norm '
            f'and {EPS:g} in the blocks: push it --to hf'
        )
    arch = model.arch
    arguments: dict[str, Any] = {}
    name = f'{NAMES[arch.version]}_{arch.name}'
    if arch.name is None or not timm.models.is_model(name):
        name = f'{NAMES[arch.version]}_{BASE}'
        arguments = {'depths': list(arch.size.depths), 'dims': list(arch.size.dims)}
    if arch.version == 1 and not model.has_layer_scale:
        arguments['ls_init_value'] = None
    if model.in_channels != 3:
        arguments['in_chans'] = model.in_channels
    return name, arguments


def _pretrained_cfg(model: HubModel, name: str) -> dict[str, Any]:
    images = model.preprocessing
    assert images.input_size is not None
    height, width = images.input_size
    return {
        'architecture': name,
        'custom_load': False,
        'input_size': [model.in_channels, height, width],
        'fixed_input_size': False,
        'interpolation': images.interpolation,
        'crop_pct': images.crop_ratio,
        'crop_mode': images.crop_mode,
        'mean': list(images.mean),
        'std': list(images.std),
        'num_classes': model.num_classes,
        'pool_size': [height // 32, width // 32],
        'first_conv': 'stem.0',
        'classifier': 'head.fc',
        **({} if model.weights.license is None else {'license': model.weights.license}),
    }
