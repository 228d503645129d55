"""LoRA adapters alone, in a folder as PEFT has it: ``adapter_config.json`` and ``adapter_model.safetensors``.

A folder of a run holds all that the run trained: the adapters, and as PEFT's ``modules_to_save`` the norms of the
outputs, neck and heads. Its weights are those of the run where it is put on the weights that the run started from;
a digest of these is kept, so that others are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..archs import ARCHS
from ..errors import UserError
from ..io.files import atomic_folder
from ..models.lora import TARGETS, LoraSettings, merge_adapters, split_adapters
from .extraction import Weights
from .formats import FORMATS, HF_DINOV3, TIMM_FEATURES, Arch, detect_arch
from .layer_names import NORM_PARTS, part_of
from .preprocessing import KEY as PREPROCESSING
from .preprocessing import Preprocessing, preprocessing_of_meta

CONFIG, TENSORS = 'adapter_config.json', 'adapter_model.safetensors'
_PREFIX = 'base_model.model.'  # of PEFT's names
_OURS = rf'backbone\.{TARGETS}'
_PLAIN: dict[str, tuple] = {
    'peft_type': ('LORA',),
    'bias': ('none',),
    'init_lora_weights': (True, False, 'gaussian', 'orthogonal'),  # others change the weights that are adapted
    **dict.fromkeys(('use_dora', 'use_rslora', 'use_qalora', 'use_bdlora', 'fan_in_fan_out', 'lora_bias'), (False,)),
    **dict.fromkeys(('rank_pattern', 'alpha_pattern'), ({},)),
    **dict.fromkeys(('velora_config', 'monteclora_config', 'arrow_config', 'kasa_config', 'layer_replication'), ()),
}
"""Settings of ``peft.LoraConfig`` that change what adapters compute, with their values in plain LoRA beside None."""


class Adapter(NamedTuple):
    """The content of a folder with adapters.

    Attributes:
        path: the folder.
        layers: A (rank, in) and B (out, rank) by the name of their layer, in the names of this package.
        scale: the factor on ``B A``.
        beside: other tensors that were trained, by name.
        arch: the network that they are for, for people.
        base: digest of the weights that they were trained on, or None if the folder does not tell.
        source: where those weights came from, or None.
        classes: names of the classes, or None.
        preprocessing: how images were prepared in training, or None if the folder does not tell.
    """

    path: Path
    layers: dict[str, tuple[Tensor, Tensor]]
    scale: float
    beside: dict[str, Tensor]
    arch: str
    base: str | None = None
    source: str | None = None
    classes: list[str] | None = None
    preprocessing: Preprocessing | None = None


def write_adapter(folder: Path, weights: Weights, settings: LoraSettings, source: str | None = None) -> list[str]:
    """Write the adapters of a run, and what else it trained, as PEFT reads them.

    ``PeftModel.from_pretrained(model, folder)`` loads them into a model that has the weights which the run started
    from, and the names of this package.

    Args:
        folder: the folder to write, which does not exist.
        weights: of the run, with adapters apart.
        settings: of the adapters.
        source: where the weights came from that the run started from, if known.

    Returns:
        The names of the parts beside the adapters.
    """
    plain, layers = split_adapters(weights.state)
    beside = {name: tensor for name, tensor in plain.items() if part_of(name) != 'backbone'}
    modules = {'.'.join(name.split('.')[: 2 if name.startswith('backbone.') else 1]) for name in beside}
    config = {
        'peft_type': 'LORA',
        'task_type': None,
        'auto_mapping': None,
        'base_model_name_or_path': source,
        'inference_mode': True,
        'r': settings.rank,
        'lora_alpha': settings.alpha,
        'lora_dropout': settings.dropout,
        'target_modules': _OURS,
        'modules_to_save': sorted(modules),
        'bias': 'none',
        'fan_in_fan_out': False,
        'init_lora_weights': True,
        'use_rslora': False,
        'use_dora': False,
    }
    tensors = {f'{_PREFIX}{name}': tensor.contiguous() for name, tensor in beside.items()}
    for layer, pair in layers.items():
        for letter, tensor in zip('AB', pair, strict=True):
            tensors[f'{_PREFIX}{layer}.lora_{letter}.weight'] = tensor.contiguous()
    metadata = {'format': 'pt', 'arch': str(detect_arch(plain)), 'base': base_digest(plain)}
    if weights.classes:
        metadata['classes'] = json.dumps(list(map(str, weights.classes)))
    if weights.preprocessing is not None:
        metadata[PREPROCESSING] = json.dumps(weights.preprocessing.as_meta())
    with atomic_folder(folder) as temporary:
        (temporary / CONFIG).write_text(json.dumps(config, indent=2) + '\n')
        (temporary / TENSORS).write_bytes(save(tensors, metadata))  # a file by its save_file is the owner's alone
    return sorted({part_of(name) for name in beside})


def base_digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the weights that LoRA keeps: those of the backbone without the norms of its outputs."""
    digest = hashlib.sha256()
    for name in sorted(name for name in state if part_of(name) == 'backbone'):
        digest.update(f'{name} {state[name].dtype}'.encode())
        digest.update(state[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def read_adapter(folder: str | Path) -> Adapter:
    """Read a folder with LoRA adapters of this package, or that PEFT wrote for a ConvNeXt of timm or transformers.

    Raises:
        UserError: if it is none, or its adapters compute something else than plain ones.
    """
    folder = Path(folder)
    folder = folder.parent if folder.name in (CONFIG, TENSORS) else folder
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            raise UserError(f'{folder} is no LoRA adapter: it has no {name}, which PEFT writes beside the other file')
    config = _read_config(folder / CONFIG)
    try:
        with safe_open(folder / TENSORS, 'pt') as file:
            metadata = file.metadata() or {}
            tensors = {name.removeprefix(_PREFIX): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        raise UserError(f'{folder / TENSORS} is truncated or damaged: copy or download it again') from None
    names = _own_names(tensors, folder / TENSORS)
    layers, beside = {}, {}
    for name, tensor in tensors.items():
        layer, ending, _ = name.partition('.lora_A.weight')
        if ending:
            b = tensors.get(f'{layer}.lora_B.weight')
            if b is None:
                raise UserError(f'{folder / TENSORS} has {name} without lora_B.weight: take another adapter')
            pair = (_matrix(tensor), _matrix(b))
            if not pair[0].shape[0] == pair[1].shape[1] == config['r']:
                raise UserError(
                    f'{folder / TENSORS} has rank {pair[0].shape[0]} in {layer}, and {CONFIG} says {config["r"]}: '
                    'the two files are not of one adapter'
                )
            layers[names[layer]] = pair
        elif '.lora_' in name and not name.endswith('.lora_B.weight'):
            raise UserError(f'{folder / TENSORS} has {name}, which plain LoRA has not: merge it with PEFT')
        elif '.lora_' not in name:
            module, _, leaf = name.rpartition('.')
            beside[f'{names.get(module, module)}.{leaf}'] = tensor
    try:
        told = {key: json.loads(metadata[key]) for key in ('classes', PREPROCESSING) if key in metadata}
    except ValueError:
        raise UserError(f'{folder / TENSORS} has damaged metadata: copy or download it again') from None
    kept = told.get(PREPROCESSING)
    channels = len(kept['mean']) if isinstance(kept, dict) and isinstance(kept.get('mean'), list) else 3
    preprocessing = None if kept is None else preprocessing_of_meta(kept, folder / TENSORS, channels)
    arch = metadata.get('arch') or _arch_of(layers)
    source = config.get('base_model_name_or_path')
    scale = config['lora_alpha'] / config['r']
    return Adapter(
        folder, layers, scale, beside, arch, metadata.get('base'), source, told.get('classes'), preprocessing
    )


def _read_config(file: Path) -> dict[str, Any]:
    """Read PEFT's settings of plain LoRA adapters.

    Raises:
        UserError: if they are of others.
    """
    try:
        config = json.loads(file.read_text())
        other = [key for key, known in _PLAIN.items() if config.get(key) not in (None, *known)]
        valid = 'peft_type' in config and config['r'] > 0 and config['lora_alpha'] > 0
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        valid, other = False, []
    if not valid:
        raise UserError(f"{file} is not PEFT's config of a LoRA adapter: take the folder as PEFT wrote it")
    if other:
        raise UserError(
            f'{file} has {other[0]}={config[other[0]]!r}, which computes something else than plain LoRA: merge it '
            "with PEFT's merge_and_unload()"
        )
    return config


def _matrix(tensor: Tensor) -> Tensor:
    """Return the matrix of an adapter, which is of a 1x1 convolution in timm's smaller networks."""
    return tensor.flatten(1) if tensor.ndim == 4 and tensor.shape[2:] == (1, 1) else tensor


def _own_names(tensors: Mapping[str, Tensor], file: Path) -> dict[str, str]:
    """Map the names of adapted layers, and of other modules in their format, to those of this package.

    Raises:
        UserError: if they are of no known format.
    """
    layers = [name.partition('.lora_A.')[0] for name in tensors if '.lora_A.' in name]
    if layers and all(re.fullmatch(_OURS, layer) for layer in layers):  # of any of our networks
        return {layer: layer for layer in layers}
    blocks = 1 + max((int(number) for name in layers for number in re.findall(r'\d+', name)), default=0)
    for format in (*FORMATS.values(), TIMM_FEATURES, HF_DINOV3):
        theirs = {other: own for own, other in format.names(blocks).items()}
        for prefix in ('', *format.prefixes, 'backbone.'):
            names = {f'{prefix}{other}': own for other, own in theirs.items()} | {
                other: own for other, own in theirs.items() if own == 'head'
            }
            if layers and all(re.search(r'\.pwconv[12]$', names.get(layer, '')) for layer in layers):
                return names
    shown = ', '.join(layers[:2]) or 'no adapted layer'
    raise UserError(f'{file} adapts {shown}: take an adapter of the pointwise layers of a ConvNeXt')


def _arch_of(layers: Mapping[str, tuple[Tensor, Tensor]]) -> str:
    """Name the network that adapters are for, by their shapes."""
    places = [re.fullmatch(r'backbone\.stages\.(\d)\.(\d+)\.pwconv1', layer) for layer in layers]
    found = [(int(place[1]), a.shape[1]) for place, (a, _) in zip(places, layers.values(), strict=True) if place]
    depths = tuple(sum(stage == s for stage, _ in found) for s in range(4))
    dims = tuple(next((width for stage, width in found if stage == s), 0) for s in range(4))
    name = next(
        (name for name, size in ARCHS.items() if tuple(size.depths) == depths and tuple(size.dims) == dims), ''
    )
    return f'ConvNeXt {name}' if name else f'a ConvNeXt with depths {depths}, dims {dims}'


def _ends_early(layers: Iterable[str], arch: Arch) -> bool:
    """Whether the adapted blocks of a stage are its first ones alone, as where the network has fewer blocks."""
    for s, depth in enumerate(arch.size.depths):
        blocks = {int(layer.split('.')[3]) for layer in layers if layer.startswith(f'backbone.stages.{s}.')}
        if blocks and blocks == set(range(len(blocks))) != set(range(depth)):
            return True
    return False


def merge_adapter(weights: Weights, adapter: Adapter) -> Weights:
    """Put adapters on the weights that they are for.

    Args:
        weights: of a model, or of its backbone alone.
        adapter: the adapters. What else was trained with them replaces the weights of that name; of a run here, it
            is all beside the backbone. So does how images were prepared.

    Raises:
        UserError: if the adapters are for another network, or were trained on other weights.
    """
    arch, state = detect_arch(weights.state), weights.state
    fits = all(
        (weight := state.get(f'{layer}.weight')) is not None and weight.shape == (b.shape[0], a.shape[1])
        for layer, (a, b) in adapter.layers.items()
    )
    if not fits or _ends_early(adapter.layers, arch):
        raise UserError(
            f'{adapter.path} is a LoRA adapter for {adapter.arch}, and {weights.path} is {arch}: '
            'take the weights that it was trained on'
        )
    if adapter.base is not None and adapter.base != base_digest(state):
        named = f', {adapter.source}' if adapter.source else ''
        network = '' if str(arch) == str(adapter.arch) else f' of {arch}'
        raise UserError(
            f'{adapter.path} is a LoRA adapter for other weights of {adapter.arch} than {weights.path}{network}: '
            f'take those that its run started from{named}'
        )
    merged = merge_adapters(state, adapter.layers, adapter.scale)
    if adapter.base is not None:  # of a run here, all of whose other weights are in the folder
        merged = {name: tensor for name, tensor in merged.items() if part_of(name) == 'backbone'}
    merged |= adapter.beside
    source = f'{weights.source}, with the LoRA adapter {adapter.path} merged'
    has_own_head = any(part_of(name) not in ('backbone', *NORM_PARTS) for name in adapter.beside)
    classes = adapter.classes if has_own_head else weights.classes
    preprocessing = adapter.preprocessing or weights.preprocessing
    return weights._replace(state=merged, source=source, classes=classes, preprocessing=preprocessing)
