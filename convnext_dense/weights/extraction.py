"""The weights in the content of a checkpoint, whoever wrote it, and what else it tells of them.

:func:`~.reader.read_checkpoint` reads the file, :mod:`.conversion` converts its weights to our names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..errors import UserError
from ..io.band_choice import BandInput
from ..models.lora import LoraSettings, lora_settings, merge_adapters, split_adapters
from .config_text import value_in_config
from .conversion import ConvertedWeights, convert
from .formats import MMPRETRAIN, OURS, TIMM
from .hub_config import VERSION_KEY, network_settings, norm_of_mmpretrain
from .image_embedding import has_image_embedding
from .layer_names import part_of
from .licenses import Origin, find_origin
from .preprocessing import KEY, Preprocessing, find_preprocessing, preprocessing_of_meta
from .settings import NetworkSettings

RAW_KEYS, EMA_KEYS = ('state_dict', 'model'), ('ema_state_dict', 'model_ema', 'state_dict_ema')
# ours, the official releases', timm's
WRAPPED = 'module.'  # in front of names in a model that mmengine wraps


class Weights(NamedTuple):
    """The weights of a file, in the names of this package.

    Attributes:
        path: the file.
        source: the format in the file, for people.
        state: name to tensor.
        left_over: names in the file that are not in ``state``.
        settings: what is known about the network beside its weights.
        classes: names of the classes that the weights are for, None if the file does not have them.
        task: task of the config that they were trained with, None if the file does not have it.
        preprocessing: how images were prepared for them, None if nothing tells it.
        origin: the weights of others that they are or were trained from, None if they were trained here from random
            values.
    """

    path: Path
    source: str
    state: dict[str, Tensor]
    left_over: list[str]
    settings: NetworkSettings
    classes: list[str] | None
    task: str | None = None
    preprocessing: Preprocessing | None = None
    origin: Origin | None = None

    @property
    def license(self) -> str | None:
        """Name of their license; None if it is unknown, or if they were trained here from random values."""
        return self.origin.license if self.origin else None


def extract_weights(content: Mapping, path: str | Path, kind: str = 'raw', merged: bool = True) -> Weights:
    """Find the weights in the content of a checkpoint and convert them to the names of this package.

    Args:
        content: as :func:`~.reader.read_checkpoint` returns it.
        path: the file it was read from.
        kind: ``'raw'``, or ``'ema'`` for the moving average.
        merged: add the LoRA adapters of a run to the weights that they adapt, which gives the weights of an ordinary
            model. False keeps both apart, as the run has them, which only resuming it needs.

    Raises:
        UserError: if there are none of that kind; or they were not trained here and are not a ConvNeXt's, or of a
            ConvNeXt that this package does not compute exactly; or they have adapters that can't be merged.
    """
    path, state = Path(path), extract_state_dict(content, kind, path)
    writer = ''
    if is_of_mmengines_ema_hook(content):
        writer = f", written by mmengine's EMAHook: {'ema_' if kind == 'raw' else ''}state_dict has the {kind} weights"
    meta = content['meta'] if isinstance(content.get('meta'), Mapping) else {}
    settings = adapters_in(content)
    if settings is None:
        _check_no_adapters(state, path)
    elif merged:
        state = _merged(state, settings)
        writer += f', with its adapters ({settings}) merged'
    # any network that was trained here has the right names, also one that is no ConvNeXt
    trained_here = VERSION_KEY in meta
    converted = ConvertedWeights(OURS.name, state, []) if trained_here else convert(state, OURS.name, path=path)
    if converted.source == MMPRETRAIN.name:
        converted = norm_of_mmpretrain(converted, meta)
    names, (source, state, left_over) = state.keys(), converted[:3]
    if source == TIMM.name and has_image_embedding(path, state):
        writer += f", whose head of {len(state['head.weight'])} outputs is CLIP's image embedding, no classifier"
        left_over = left_over + [name for name in state if part_of(name) == 'head']
        state = {name: tensor for name, tensor in state.items() if part_of(name) != 'head'}
    classes = dataset_meta(content).get('classes')
    named = value_in_config(meta['cfg'], 'task') if trained_here and isinstance(meta.get('cfg'), str) else None
    task = None if named is None else str(named)
    return Weights(
        path,
        source + writer,
        state,
        left_over,
        network_settings(path, converted, meta),
        classes,
        task,
        find_preprocessing(path, source, meta, names, state),
        find_origin(path, meta),
    )


def adapters_in(content: Mapping) -> LoraSettings | None:
    """Return the settings of the LoRA adapters in a checkpoint of this package; None if it has none."""
    meta = content.get('meta')
    return lora_settings(meta.get('lora')) if isinstance(meta, Mapping) and VERSION_KEY in meta else None


def with_merged_adapters(content: dict) -> dict:
    """Return the content of a checkpoint with its LoRA adapters merged, for readers in other libraries."""
    settings = adapters_in(content)
    if settings is None:
        return content
    kinds = [name for name in (*RAW_KEYS, *EMA_KEYS) if _is_weights(content.get(name))]
    return content | {name: _merged(content[name], settings) for name in kinds}


def _merged(state: Mapping[str, Tensor], settings: LoraSettings) -> dict[str, Tensor]:
    return merge_adapters(*split_adapters(state), settings.scale)


def _check_no_adapters(state: Mapping[str, Tensor], path: Path) -> None:
    """Check that there are no adapters, whose factor nothing tells.

    Raises:
        UserError: if there are.
    """
    adapters = [name for name in state if '.lora_A.' in name]
    if not adapters:
        return
    if all('lora_' in name or name.startswith('base_model.') for name in state):
        raise UserError(
            f'{path} holds LoRA adapters without the weights that they adapt: merge them with '
            f'`convnext-dense convert_weights BASE merged.pth --lora {path.parent}`'
        )
    raise UserError(
        f'{path} holds LoRA adapters ({adapters[0]}) and nothing that tells their factor: merge them with PEFT, as '
        'merge_and_unload() does, and save the result'
    )


def trained_bands(checkpoint: Mapping) -> BandInput | None:
    """Return the bands that a checkpoint of this package was trained on; None for RGB of 8 bits, and for others.

    Raises:
        UserError: if what it tells of them can't be right.
    """
    meta = checkpoint.get('meta')
    kept = meta.get(KEY) if isinstance(meta, Mapping) and VERSION_KEY in meta else None
    if not isinstance(kept, Mapping) or not isinstance(kept.get('bands'), Mapping):
        return None
    channels = len(kept['bands'].get('bands') or ())
    return preprocessing_of_meta(kept, Path('the checkpoint'), channels).bands


def dataset_meta(checkpoint: Mapping) -> dict[str, Any]:
    """Return a checkpoint's metadata of its data set.

    It is under ``meta.dataset_meta``, or in files of mmcv 1 in capitals directly under ``meta``. Older segmentors of
    this package have ``reduce_zero_label`` in their config alone, where its default was True.

    Returns:
        Keys in lower case; ``classes``, if present, is a list that is not empty.
    """
    meta = checkpoint.get('meta')
    levels = [meta, meta.get('dataset_meta')] if isinstance(meta, Mapping) else []
    known = {str(key).lower(): value for level in levels if isinstance(level, Mapping) for key, value in level.items()}
    text = known.get('cfg') if VERSION_KEY in known and 'reduce_zero_label' not in known else None
    if isinstance(text, str) and (reduces := _reduces_zero_label(text)) is not None:
        known['reduce_zero_label'] = reduces
    classes = known.pop('classes', None)
    return {**known, 'classes': list(classes)} if isinstance(classes, list | tuple) and classes else known


def _reduces_zero_label(config: str) -> bool | None:
    """Return the ``reduce_zero_label`` of the training masks in the text of a config, or None if it has no masks.

    The text is only read.
    """
    try:
        statements = ast.parse(config).body
    except (SyntaxError, ValueError):
        return None
    for statement in statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == 'train_dataloader':
            for part in ast.walk(statement.value):  # the outermost first
                if isinstance(part, ast.keyword) and part.arg == 'reduce_zero_label':
                    return not (isinstance(part.value, ast.Constant) and part.value.value is False)
            return True if 'MaskFolder' in ast.unparse(statement.value) else None
    return None


def learned_masks(checkpoint: Mapping) -> bool | None:
    """Whether a checkpoint is of a detector with a RoI head for masks, by the names of its weights.

    Args:
        checkpoint: as :func:`~.reader.read_checkpoint` returns it.

    Returns:
        None for another model, without RoI heads.
    """
    states: Iterator[Any] = (checkpoint.get(name) for name in (*RAW_KEYS, *EMA_KEYS))
    names = next((state.keys() for state in states if _is_weights(state)), ())
    heads = {name.split('.')[1] for name in names if name.startswith('roi_head.')}
    return 'mask_head' in heads if 'bbox_head' in heads else None


def extract_state_dict(
    checkpoint: Mapping, weights: str = 'raw', source: str | Path = 'the file'
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint of this package, of timm or of the official releases.

    Args:
        checkpoint: its content.
        weights: ``'raw'``, or ``'ema'`` for their exponential moving average.
        source: what the error calls the checkpoint.

    Returns:
        Name to tensor, with the names of the file.

    Raises:
        UserError: if the checkpoint does not have these weights.
    """
    if is_of_mmengines_ema_hook(checkpoint):
        if weights == 'ema':
            return dict(checkpoint['state_dict'])
        inside = (name for name in checkpoint['ema_state_dict'] if name.startswith(WRAPPED))
        return {name.removeprefix(WRAPPED): checkpoint['ema_state_dict'][name] for name in inside}
    for name in {'raw': RAW_KEYS, 'ema': EMA_KEYS}[weights]:
        if _is_weights(checkpoint.get(name)):
            return dict(checkpoint[name])
    if weights == 'raw' and _is_weights(checkpoint):
        return dict(checkpoint)
    raise UserError(f'{source} holds no {weights} weights: it has {", ".join(map(str, list(checkpoint)[:6]))}')


def is_of_mmengines_ema_hook(checkpoint: Mapping) -> bool:
    """Whether mmengine's ``EMAHook`` wrote a checkpoint: its ``state_dict`` has the average, for deployment.

    The raw weights are in its ``ema_state_dict``, under the names of mmengine's ``BaseAveragedModel``: those of the
    model after ``module.``, and a count ``steps`` (mmengine 0.10, ``EMAHook._swap_ema_state_dict``).
    """
    average, other = (checkpoint.get(name, {}) for name in ('state_dict', 'ema_state_dict'))
    if not (_is_weights(average) and _is_weights(other)):
        return False
    return 'steps' in other and other.keys() - {'steps'} == {f'{WRAPPED}{name}' for name in average}


def has_ema_weights(checkpoint: Mapping) -> bool:
    """Whether a checkpoint of this package, of timm or of the official releases has averaged weights."""
    return any(_is_weights(checkpoint.get(name)) for name in EMA_KEYS)


def _is_weights(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(t, Tensor) for name, t in value.items())
    )
