"""transformers' layout: ``model.safetensors``, ``config.json`` and ``preprocessor_config.json``.

The files are plain JSON, so that transformers need not be installed. The class that loads them is named in
``config.json``; ``from_pretrained`` of the ``Auto...`` classes finds it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import UserError
from ...version import __version__
from ...weights.conversion import convert
from ...weights.formats import HF
from ...weights.hub_config import NAMES_OF_ACTIVATIONS
from ...weights.preprocessing import WARP_FROM
from ...weights.published_preprocessing import CENTER, INTERPOLATIONS, SQUASH
from ...weights.settings import EPS
from .folder import VERSION_NAME
from .hf_upernet import upernet_config, upernet_head
from .model import HubModel
from .safetensors_file import write_safetensors

PATCH = 4  # stride of the stem
CLASSES = {'classifier': 'ForImageClassification', 'features': 'Model', 'maps': 'Backbone'}


def write_hf(model: HubModel, folder: Path) -> None:
    """Write transformers' files.

    Raises:
        UserError: if transformers has no such network, or no such preprocessing.
        OSError: if the files can't be written.
    """
    _check_network(model)
    config: dict[str, Any] = {**_config(model), VERSION_NAME: __version__}
    files = {'config.json': config, 'preprocessor_config.json': _processor(model)}
    write_safetensors(_state(model), folder / 'model.safetensors')
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')


def class_name(model: HubModel) -> str:
    """Return the name of the class in transformers."""
    if model.kind == 'segmentor':
        return 'UperNetForSemanticSegmentation'
    return f'{_family(model)}{CLASSES[model.kind]}'


def _check_network(model: HubModel) -> None:
    """Raise a UserError if transformers' ConvNeXt can't compute as the model does."""
    variants = [str(model.structure)] if str(model.structure) else []
    if model.head_hidden_size:
        variants.append('a hidden layer in the head')
    if model.norm_eps != EPS:  # transformers sets that of the final norm alone
        variants.append(f'eps {model.norm_eps:g} in the norms')
    if variants:
        raise UserError(
            f'transformers has no ConvNeXt with {", ".join(variants)}, as {model.weights.path} has: push it --to timm'
        )


def _family(model: HubModel) -> str:
    return 'ConvNextV2' if model.arch.version == 2 else 'ConvNext'


def _state(model: HubModel) -> dict[str, Tensor]:
    if model.kind != 'segmentor':
        return convert(model.state, HF.name, path=model.weights.path).state
    backbone = {name: tensor for name, tensor in model.state.items() if name.startswith('backbone.')}
    converted = convert(backbone, HF.name, path=model.weights.path).state
    return {f'backbone.{name}': tensor for name, tensor in converted.items()} | upernet_head(model)


def _config(model: HubModel) -> dict[str, Any]:
    if model.kind != 'segmentor':
        return {'architectures': [class_name(model)], **_network(model), **_labels(model)}
    return {'architectures': [class_name(model)], **upernet_config(model, _network(model)), **_labels(model)}


def _network(model: HubModel) -> dict[str, Any]:
    depths, dims = map(list, model.arch.size)
    size = model.preprocessing.input_size
    config: dict[str, Any] = {
        'model_type': _family(model).lower(),
        'num_channels': model.structure.in_channels,
        'patch_size': PATCH,
        'num_stages': len(depths),
        'depths': depths,
        'hidden_sizes': dims,
        'hidden_act': NAMES_OF_ACTIVATIONS[model.activation][0],
        'layer_norm_eps': model.final_norm_eps,
        'drop_path_rate': model.settings.get('backbone', {}).get('drop_path_rate', 0.0),
        'image_size': 224 if size is None else size[0] if size[0] == size[1] else list(size),
        'dtype': str(next(iter(model.state.values())).dtype).removeprefix('torch.'),
    }
    if model.arch.version == 1:
        config['layer_scale_init_value'] = 1e-6 if model.has_layer_scale else 0.0
    if model.output_stages:
        config['out_features'] = [f'stage{s + 1}' for s in model.output_stages]
    return config


def _labels(model: HubModel) -> dict[str, Any]:
    if not model.num_classes:
        return {}
    labels = model.labels or [f'LABEL_{k}' for k in range(model.num_classes)]  # as transformers calls them
    return {
        'id2label': {str(k): str(label) for k, label in enumerate(labels)},
        'label2id': {str(label): k for k, label in enumerate(labels)},
    }


def _processor(model: HubModel) -> dict[str, Any]:
    """Return the config of the image processor that prepares images as our evaluation does.

    That of transformers' ConvNeXt crops below 384 pixels and warps from there on; for the rest there are others.

    Raises:
        UserError: if there is none.
    """
    images = model.preprocessing
    common: dict[str, Any] = {
        'do_rescale': True,
        'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': list(images.mean),
        'image_std': list(images.std),
    }
    if model.kind == 'segmentor':
        reduces = {'do_reduce_labels': model.reduce_zero_label}
        return {'image_processor_type': 'SegformerImageProcessor', 'do_resize': False, **common, **reduces}
    if images.input_size is None:
        return {'image_processor_type': 'ConvNextImageProcessor', 'do_resize': False, **common}
    if images.interpolation not in INTERPOLATIONS:
        raise UserError(
            f'transformers has no interpolation {images.interpolation!r}, as {images.source} has: push it --to timm'
        )
    common = {'do_resize': True, 'resample': INTERPOLATIONS.index(images.interpolation), **common}
    (height, width), ratio = images.input_size, model.crop_ratio
    warps, crops = model.crop_mode == SQUASH and ratio == 1.0, model.crop_mode == CENTER
    if height == width and (warps if height >= WARP_FROM else crops):
        size = {'shortest_edge': height}
        return {'image_processor_type': 'ConvNextImageProcessor', **common, 'size': size, 'crop_pct': ratio}
    if warps:
        size = {'height': height, 'width': width}
        return {'image_processor_type': 'ViTImageProcessor', **common, 'size': size}
    if crops and height == width:
        return {
            'image_processor_type': 'CLIPImageProcessor',
            'do_convert_rgb': True,
            **common,
            'size': {'shortest_edge': int(height / ratio)},
            'do_center_crop': True,
            'crop_size': {'height': height, 'width': width},
        }
    raise UserError(
        f'transformers has no image processor for crop mode {model.crop_mode}, crop ratio {ratio:g} and '
        f'{height} x {width} pixels, as {images.source} has them: push it --to timm'
    )
