"""Preparing images as the weights were made for: which mean, std, size, crop and interpolation a config takes.

``--mean`` and ``--std`` come first, then ``--cfg-options`` or a config with other values than ImageNet's, then what
the weights tell, then ImageNet's.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from ..checkpoints import files as checkpoints
from ..errors import UserError
from ..tasks import task_of
from ..tasks.bands import bands_of
from ..weights.extraction import Weights, extract_weights
from ..weights.preprocessing import WARP_FROM, Preprocessing, check_normalization, describe_doubt
from ..weights.published_preprocessing import SQUASH, TRANSFORMERS
from ..weights.reader import read_checkpoint
from .bands import check_no_levels, check_reads_levels, follow_bands
from .find import find_run_config, find_work_dir
from .source import read_literals

NORMALIZATION = ('mean', 'std')
TEST_CROP = ('input_size', 'crop_ratio', 'crop_mode', 'border', 'interpolation')
"""What follows weights from elsewhere in evaluation besides mean and std. Training takes the interpolation of it."""
RECIPES_INTERPOLATION = 'bicubic'
_WRAPPERS = re.compile(r'(\.datasets\.\d+|\.dataset)+')
"""Keys of a data set in wrappers, such as mmengine's ConcatDataset."""


class Told(NamedTuple):
    """What weights, or a run, tell of how images are prepared."""

    path: Path | str = ''
    """Their file."""
    preprocessing: Preprocessing | None = None
    doubt: str = ''
    """Why they may need others than ImageNet's mean and std, if they tell none."""
    trained_here: bool = False
    """Whether they were trained here, by a config that says the sizes."""

    @classmethod
    def by(cls, weights: Weights) -> Told:
        """Return what weights tell."""
        source = weights.source.partition(',')[0] if weights.preprocessing is None else weights.source
        doubt = '' if weights.preprocessing or weights.task else describe_doubt(weights.path, source)
        return cls(weights.path, weights.preprocessing, doubt, bool(weights.task))


NOTHING = Told()
"""There are no weights."""


class Chosen(NamedTuple):
    """What the command line says of how images are prepared."""

    mean: Sequence[float] | None = None
    """``--mean``, of RGB values from 0 to 1; None if it is not given."""
    std: Sequence[float] | None = None
    """``--std``, which is given with it."""
    options: Mapping[str, Any] = {}
    """``--cfg-options``."""
    image_size: Sequence[int] | None = None
    """``--image-size``."""

    def sets(self, cfg: Config, name: str) -> bool:
        """Whether an option sets this value of how a config's images are prepared."""
        wanted = {f'{place}.{name}' for place in task_of(cfg).normalization_keys}
        keys = (_WRAPPERS.sub('.dataset', key) for option in self.options.items() for key in _keys_in(*option))
        return any(key in wanted or key.rpartition('.')[0] in wanted for key in keys)

    def changed_keys(self, cfg: Config) -> list[str]:
        """Return the keys of a config that are meant to differ: of the options, and of mean and std if given."""
        keys = task_of(cfg).normalization_keys if self.mean is not None else ()
        return [*self.options, *(f'{key}.{name}' for key in keys for name in NORMALIZATION)]


NO_CHOICE = Chosen()


def told_by_file(source: str | Path, kind: str = 'raw', trust_pickle: bool = False) -> Told:
    """Return what a file of weights tells, without reading its tensors where they are mapped into memory.

    What is wrong with the file is left to its loading, which names it.

    Args:
        source: as for :func:`~convnext_dense.checkpoints.files.find`; it is downloaded if necessary.
        kind: ``'raw'`` or ``'ema'``.
        trust_pickle: as in :func:`~convnext_dense.weights.reader.read_checkpoint`.
    """
    path = checkpoints.find(source)
    with contextlib.suppress(UserError):
        return Told.by(extract_weights(read_checkpoint(path, trust_pickle, mapped=True), path, kind))
    return NOTHING


def told_by_run(work_dir: str | Path, checkpoint: str | Path, trust_pickle: bool = False) -> Told:
    """Return how images are prepared in a run that is resumed, by the config that it saved or its checkpoint.

    Args:
        work_dir: the run's work dir, if it has its config.
        checkpoint: its checkpoint.
        trust_pickle: as in :func:`~convnext_dense.weights.reader.read_checkpoint`.
    """
    if find_work_dir(work_dir) is not None:
        file = find_run_config(work_dir)
        saved = read_literals(file)
        if saved is not None and 'task' in saved:
            used = task_of(Config(saved)).preprocessing(Config(saved))
            return Told(file, used and replace(used, source='the run'), trained_here=True)
    return told_by_file(checkpoint, trust_pickle=trust_pickle)


def follow_weights(cfg: Config, told: Told, chosen: Chosen = NO_CHOICE, evaluates: bool = False) -> str:
    """Prepare a config's images as its weights were made for.

    Training takes mean, std and a classifier's interpolation from the weights. Evaluation of a classifier from
    elsewhere takes its size, crop ratio and crop mode, too.

    Args:
        cfg: the config, which is changed.
        told: what the weights tell.
        chosen: what the command line says, which comes first.
        evaluates: the weights are tested, exported or predict, rather than trained.

    Returns:
        A line that says how images are prepared and why; empty in evaluation if there is nothing to say.

    Raises:
        UserError: if mean or std of the command line can't be right, or the images can't be prepared so.
    """
    task, found = task_of(cfg), told.preprocessing
    if bands_of(cfg) is not None:
        check_no_levels(cfg, chosen.mean)
        return follow_bands(cfg, told.path, found, evaluates)
    check_reads_levels(found, told.path)
    _set_given(cfg, chosen)
    used = task.preprocessing(cfg)
    if used is None:
        return f'the config says no mean and std; {told.path} was made for {found}' if found else ''
    reason = _reason(cfg, used, told, chosen)
    if reason is None and found is not None:
        if not used.normalizes_like(found):
            task.set_preprocessing(cfg, found, NORMALIZATION)
            used = task.preprocessing(cfg) or used
        reason = f'as {found.source} says'
    crop = _follow_crop(cfg, used, told, chosen, evaluates)
    quiet = used.is_imagenets and (told.trained_here or found is None) and not told.doubt and chosen.mean is None
    if evaluates and quiet and not crop:
        return ''
    return '; '.join(filter(None, (f'normalization: {used}, {reason or told.doubt or "the default"}', crop)))


def follow_run(cfg: Config, told: Told, chosen: Chosen = NO_CHOICE) -> str:
    """Prepare a config's images as the run that it resumes.

    Args:
        cfg: the config, which is changed.
        told: from :func:`told_by_run`.
        chosen: what the command line says.

    Returns:
        A line that says how images are normalized.

    Raises:
        UserError: if config or command line say another mean or std.
    """
    task, before = task_of(cfg), told.preprocessing
    if bands_of(cfg) is not None:
        check_no_levels(cfg, chosen.mean)
        return follow_bands(cfg, told.path, before, resumes=True)
    check_reads_levels(before, told.path)
    _set_given(cfg, chosen)
    used = task.preprocessing(cfg)
    if used is None or before is None:
        return ''
    if not used.normalizes_like(before) and (reason := _reason(cfg, used, NOTHING, chosen)) is not None:
        raise UserError(
            f'the run had {before}, and now has {used}, {reason}: resume with those of the run; to change them, start '
            'a new run from its weights with --pretrained'
        )
    return follow_weights(cfg, told, Chosen(options=chosen.options))


def _set_given(cfg: Config, chosen: Chosen) -> None:
    """Set mean and std of the command line."""
    if chosen.mean is None:
        return
    task = task_of(cfg)
    mean, std = check_normalization(chosen.mean, chosen.std, task.input_channels(cfg), '--mean and --std')
    try:
        used = task.preprocessing(cfg)
    except UserError:  # they contradict each other, and are replaced now
        bgr = False
    else:
        if used is None:
            keys = ' or '.join(task.normalization_keys)
            raise UserError(f'--mean and --std replace those of the config, which has none in {keys}: set them there')
        bgr = used.bgr
    task.set_preprocessing(cfg, Preprocessing(mean, std, bgr=bgr), NORMALIZATION)


def _reason(cfg: Config, used: Preprocessing, told: Told, chosen: Chosen) -> str | None:
    """Say what sets mean and std rather than the weights; None for nothing."""
    if told.preprocessing is not None and used.normalizes_like(told.preprocessing) and chosen.mean is None:
        return None
    if chosen.mean is not None:
        return 'as --mean and --std say'
    if any(chosen.sets(cfg, name) for name in NORMALIZATION):
        return 'as --cfg-options says'
    return None if used.is_imagenets else 'as the config says'


def _follow_crop(cfg: Config, used: Preprocessing, told: Told, chosen: Chosen, evaluates: bool) -> str:
    """Set a classifier's size, crop and interpolation to what the weights tell, and describe it."""
    task, found = task_of(cfg), told.preprocessing
    if found is None or used.input_size is None:
        return ''
    names = [name for name in TEST_CROP if not chosen.sets(cfg, name)]
    if chosen.image_size is not None:
        names = [name for name in names if name != 'input_size']
    if not evaluates or told.trained_here:
        is_default = used.interpolation == RECIPES_INTERPOLATION != (found.interpolation or RECIPES_INTERPOLATION)
        if is_default and 'interpolation' in names:
            task.set_preprocessing(cfg, found, ['interpolation'])
        if evaluates or found.input_size is None or cfg.get('train_dataloader') is None:
            return ''
        made, side = tuple(found.input_size), tuple(task.training_size(cfg))
        return '' if made == side else f'the weights were made for {_size(made)}, this config trains at {_size(side)}'
    names = [name for name in names if getattr(found, name) is not None]
    if all(_same(getattr(found, name), getattr(used, name)) for name in names):
        return ''
    task.set_preprocessing(cfg, found, names)
    now = task.preprocessing(cfg) or used
    kept = '' if now.input_size == used.input_size else f' (the config has {_size(used.input_size)})'
    size = now.input_size or used.input_size
    warps = now.crop_mode == TRANSFORMERS and size[0] >= WARP_FROM
    ratio = 1.0 if warps or now.crop_ratio is None else now.crop_ratio
    return (
        f'images of {_size(size)}{kept}, crop ratio {ratio:.4g}, {now.interpolation}, '
        f'crop mode {SQUASH if warps else now.crop_mode}, as {found.source} says'
    )


def _same(one: Any, other: Any) -> bool:
    return abs(one - other) < 1e-6 if isinstance(one, float) and isinstance(other, float) else bool(one == other)


def _size(size: Iterable[int]) -> str:
    return ' x '.join(map(str, size))


def _keys_in(key: str, value: Any) -> Iterator[str]:
    """Yield the keys of a nested value and of all its parts."""
    yield key
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for name, part in parts:
        yield from _keys_in(f'{key}.{name}', part)
