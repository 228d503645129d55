"""Read a config and apply the changes of the command line."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mmengine.config import Config

from ..data.formats.file_cache import files_unchanged
from ..errors import UserError, last_line
from ..io.image_size import ImageSize
from ..io.opening import as_opening
from ..io.value_range import as_value_range
from ..sample_data.names import LARGE_BANDS, SAMPLE, SAMPLES
from ..tasks import (
    AS_FOUND,
    DataOptions,
    Task,
    TrainedClasses,
    check_chosen_classes,
    check_data_options,
    count_classes,
    has_own_data,
    keep_split,
    leave_out_training,
    leave_out_validation,
    set_classes,
    task_of,
)
from ..tasks import point_at as point_at_data
from ..tasks.bands import RGB_OF_8_BITS, BandOptions, is_asked_for
from ..tasks.class_choices import set_choice, settle_choice
from ..tasks.sizes import check_image_size
from ..tasks.tiles import (
    AS_CONFIGURED,
    TileOptions,
    are_asked_for,
    check_not_both,
    fit_tiles,
    seen_in_testing,
    tile_datasets,
)
from .file import check_keys, import_modules, read_file
from .find import find_config
from .length import schedule_following
from .precedence import Settings
from .sample import large_settings, list_sample_settings, merged, read_sample_settings
from .saved import read_saved_config
from .settings import check_numbers, check_options
from .techniques import leave_out

OPTIONAL_KEYS = {
    *(
        'activation_checkpointing',
        'bands',
        'boxes_only',
        'compile',
        'compile_backbone',
        'custom_hooks',
        'data_preprocessor',
    ),
    *(
        'display_bands',
        'efficient_conv_bn_eval',
        'experiment_name',
        'find_unused_parameters',
        'launcher',
        'image_stats',
        'lora',
    ),
    *('model_wrapper_cfg', 'rgb_bands', 'sync_bn', 'tiles', 'work_dir'),
}
"""Keys that ``--cfg-options`` may set even if the config does not have them."""

Reads = Literal['all', 'train', 'test']
"""The data that a command reads: of all loaders, for training with or without validation, or for testing."""


SIZE_STEP = 'the size of the images in training'
"""The step that sets the sizes which follow from that one."""


BOXES_STEP = 'a detector without masks'
"""The step that leaves the masks out of a detector's config."""


class Step(NamedTuple):
    """A step of resolving a config."""

    name: str  # 'file', 'sample', 'classes', or a command-line argument such as '--cfg-options'
    file: Path | None = None  # the config, or the settings for the sample
    settings: dict[str, Any] = {}  # all nested keys that the step sets, even to the same value


def read_config(
    path: str,
    options: dict[str, Any] | None = None,
    data: str | None = None,
    *,
    needs_data: bool = True,
    without: Iterable[str] = (),
    saved: bool = False,
    reads: Reads = 'all',
    classes: TrainedClasses | None = None,
    image_size: ImageSize | None = None,
    value_range: Sequence[float] | None = None,
    page: int | None = None,
    max_pixels: int | None = None,
    label_zero: str | None = None,
    data_options: DataOptions = AS_FOUND,
    boxes_only: bool = False,
    bands: BandOptions = RGB_OF_8_BITS,
    tiles: TileOptions = AS_CONFIGURED,
    copy_paste: float | None = None,
    before_data: Callable[[Config], object] | None = None,
) -> Config:
    """Read a config, apply ``--cfg-options``, and point it at the data.

    Args:
        path: see :func:`~convnext_dense.config.find.find_config`.
        options: changes to nested keys, ``{'a.b': value}``, applied after the sample settings and ``without``.
        data: root folder of a data set, the name of a drawn one such as ``'sample'``, or None for the config's own.
        needs_data: require the data, and set the heads' number of classes to that of the data. If False, the config's
            own number of classes is kept, and ``data`` only decides whether the settings for the sample are applied.
        without: names in :data:`~convnext_dense.config.techniques.TECHNIQUES` to leave out.
        saved: True for a config that a run saved, which is read as data by :mod:`.saved`. It already has the settings
            for the sample if the run had them.
        reads: the data that the command reads. ``'test'`` removes all that only training reads from the config;
            ``'train'`` removes the validation if there are no data for it, rather than raising an error.
        classes: the classes of a checkpoint, which the data sets join by name; None for those of the data. Masks keep
            the meaning of label 0 that it was trained with.
        image_size: the size at which images enter the network; see
            :meth:`~convnext_dense.tasks.Task.set_image_size`.
        value_range: the values of images that become black and white; see :func:`~convnext_dense.io.images.decode`.
        page, max_pixels: how image files are opened; see :class:`~convnext_dense.io.opening.Opening`.
        label_zero: what label 0 of masks means, ``'ignore'`` or ``'class'``; None for the config's own setting, which
            by default leaves it to the data.
        data_options: how the data set at ``data`` is read, and which of its classes are chosen.
        boxes_only: the checkpoint is of a detector without masks, and the config's model becomes one; see
            :meth:`~convnext_dense.tasks.Task.leave_out_masks`.
        bands: the bands of images that are taken as stored; see :meth:`~convnext_dense.tasks.Task.set_bands`.
        tiles: the tiles that images are cut into; see :meth:`~convnext_dense.tasks.Task.set_tiles`.
        copy_paste: probability that objects of another image are pasted into one in training; see
            :meth:`~convnext_dense.tasks.Task.set_copy_paste`.
        before_data: called with the config before the data are looked at, for checks that need none.

    Raises:
        UserError: if the config can't be read or has a ``sample`` key, an option's first key is unknown, a number is
            out of range, the data can't be read, a technique is unknown or not in use, or two settings of one size
            contradict each other.
    """
    with files_unchanged():
        *_, (_, cfg) = read_in_steps(
            path,
            options,
            data,
            needs_data=needs_data,
            without=without,
            saved=saved,
            reads=reads,
            classes=classes,
            image_size=image_size,
            value_range=value_range,
            page=page,
            max_pixels=max_pixels,
            label_zero=label_zero,
            data_options=data_options,
            boxes_only=boxes_only,
            bands=bands,
            tiles=tiles,
            copy_paste=copy_paste,
            before_data=before_data,
        )
    return cfg


def read_in_steps(
    path: str,
    options: dict[str, Any] | None = None,
    data: str | None = None,
    *,
    needs_data: bool = True,
    without: Iterable[str] = (),
    saved: bool = False,
    reads: Reads = 'all',
    classes: TrainedClasses | None = None,
    image_size: ImageSize | None = None,
    value_range: Sequence[float] | None = None,
    page: int | None = None,
    max_pixels: int | None = None,
    label_zero: str | None = None,
    data_options: DataOptions = AS_FOUND,
    boxes_only: bool = False,
    bands: BandOptions = RGB_OF_8_BITS,
    tiles: TileOptions = AS_CONFIGURED,
    copy_paste: float | None = None,
    before_data: Callable[[Config], object] | None = None,
) -> Iterator[tuple[Step, Config]]:
    """Read a config like :func:`read_config`, and yield each step with the config after it.

    All steps yield the same config object, which changes from step to step.
    """
    file = find_config(path)
    cfg = read_saved_config(file) if saved else read_file(file)
    if saved:
        check_keys(cfg, file)
    join_preprocessors(cfg)
    keep_split(cfg, file.parent)  # of the run that saved the config
    check_numbers(cfg)
    task = task_of(cfg)
    check_data_options(task, data_options)
    yield Step('file', file), cfg
    settings: dict[str, Any] = {}
    for sample_file in [] if saved else list_sample_settings(cfg, file.parent, task, data):
        applied = _apply_sample_settings(cfg, sample_file)
        settings = merged(settings, applied)
        yield Step('sample', sample_file, applied), cfg
    for technique in dict.fromkeys(without):
        with schedule_following(cfg):
            leave_out(cfg, technique)
        yield Step(f'--without {technique}'), cfg
    sized: dict[str, Any] = {}
    if are_asked_for(cfg, tiles):
        check_not_both(tiles, options or {})
        of_tiles = task.set_tiles(cfg, tiles)
        yield Step('--tile'), cfg
        if of_tiles is not None and image_size is None:
            sized = _set_image_size(cfg, of_tiles, options or {}, of_tiles=True)
            yield Step('--tile'), cfg
    if image_size is not None:
        sized = _set_image_size(cfg, image_size, options or {})
        yield Step('--image-size'), cfg
    values = as_value_range(value_range)
    if values is not None:
        if not task.image_parts(cfg):
            raise UserError(f'--value-range {values.low:g} {values.high:g}: no pipeline has a LoadImage')
        task.set_value_range(cfg, values)
        yield Step('--value-range'), cfg
    for key, value in (('page', page), ('max_pixels', max_pixels)):
        if value is not None:
            flag = f'--{key.replace("_", "-")}'
            if not task.image_parts(cfg):
                raise UserError(f'{flag} {value}: no pipeline has a LoadImage')
            task.set_opening(cfg, as_opening(**{key: value}))
            yield Step(flag), cfg
    if options:
        _apply_options(cfg, options)
        check_numbers(cfg)
        if cfg.get('tiles') is not None:
            task.set_tiles(cfg, AS_CONFIGURED)
        yield Step('--cfg-options', settings=_nested(options)), cfg
    if not saved and task.follow_training_size(cfg, Settings(file, settings, sized, options or ())):
        yield Step(SIZE_STEP), cfg
    if is_asked_for(cfg, bands):
        task.set_bands(cfg, bands)
        yield Step('--bands'), cfg
    if label_zero is not None:
        task.set_label_zero(cfg, label_zero)
        yield Step('--label-zero'), cfg
    if data_options.choice is not None:
        if not task.has_classes:
            raise UserError(f'{data_options.choice}: for {task.name} labels play no role: leave it out')
        set_choice(cfg, data_options.choice)
        yield Step(str(data_options.choice)), cfg
    if copy_paste is not None:
        task.set_copy_paste(cfg, copy_paste)
        yield Step('--copy-paste'), cfg
    if needs_data:
        if before_data is not None:
            before_data(cfg)
        if reads == 'test':
            leave_out_training(cfg)
            leave_out_validation(cfg)
        if tile_datasets(cfg):
            yield Step('--tile'), cfg
        optional = ('val',) if reads == 'train' else ()
        point_at(cfg, data, optional, data_options)
        if optional and _lacks_validation(cfg):
            leave_out_validation(cfg)
        yield Step('--data'), cfg
        settle_choice(cfg, classes)
    elif tile_datasets(cfg, all_must=False):
        yield Step('--tile'), cfg
    if task.leave_out_masks(cfg, boxes_only, reads_data=needs_data):
        yield Step(BOXES_STEP), cfg
    if needs_data:
        task.settle(cfg, classes)
        if classes is not None:
            task.use_classes(cfg, classes)
            count = len(classes.names)
        else:
            task.join_classes(cfg)
            count = count_classes(task, cfg)
        stuff = task.count_stuff(cfg, classes)
        check_chosen_classes(_nested(options or {}), count, stuff)
        set_classes(cfg, count, stuff)
        yield Step('classes'), cfg


def join_preprocessors(cfg: Config) -> None:
    """Move a top-level ``data_preprocessor`` to the model, which uses it, so that changes apply to one value.

    A model with another one keeps its own, and the run is refused.
    """
    outer = cfg.get('data_preprocessor')
    if outer is not None and cfg.model.get('data_preprocessor', outer) == outer:
        cfg.model.data_preprocessor = cfg.pop('data_preprocessor')


def point_at(
    cfg: Config, data: str | None, optional: Collection[str] = (), data_options: DataOptions = AS_FOUND
) -> None:
    """Point the config's data sets at a root folder, or at a drawn data set; None changes nothing.

    Args:
        cfg: the config.
        data: root folder of a data set, the name of a drawn one such as ``'sample'``, or None for the config's own.
        optional: splits that may be absent, of ``'train'`` and ``'val'``.
        data_options: how the data set is read.

    Raises:
        UserError: if there is no suitable data set.
    """
    task = task_of(cfg)
    if data is not None:
        point_at_data(task, cfg, _sample_root(task, data) if data in SAMPLES else data, optional, data_options)


def _lacks_validation(cfg: Config) -> bool:
    """Check whether there are training data, but none for the validation that the config has."""
    task, train, val = task_of(cfg), cfg.train_dataloader, cfg.val_dataloader
    return val is not None and has_own_data(task, train.dataset) and not has_own_data(task, val.dataset)


def _set_image_size(
    cfg: Config, size: ImageSize, options: Mapping[str, Any], of_tiles: bool = False
) -> dict[str, Any]:
    """Set the size of the images, and return what was changed by keys joined with dots.

    Args:
        cfg: the config.
        size: the size.
        options: changes by ``--cfg-options``.
        of_tiles: it is that of tiles, which nothing needs to resize.

    Raises:
        UserError: if an option sets one of the same sizes, or the config has none to set.
    """
    from .provenance import innermost_values

    check_image_size(size)
    before = dict(innermost_values(cfg.to_dict()))
    try:
        task_of(cfg).set_image_size(cfg, size)
    except UserError as error:
        if not of_tiles:
            raise
        if seen_in_testing(cfg).factor(size) is None:
            return {}
        raise UserError(
            f'tiles of {size} are to enter the network at their own size, which can not be set ({error}): state '
            f'tiles=dict(size={tuple(size)}) in the config, with pipelines for images of this size'
        ) from None
    fit_tiles(cfg, size)
    after = innermost_values(cfg.to_dict())
    sized = {'.'.join(map(str, keys)): value for keys, value in after if before.get(keys) != value}
    flag = f'tiles of {size}, by --tile or of the run,' if of_tiles else f'--image-size {size.height} {size.width}'
    for option in options:
        same = next((key for key in sized if key == option or key.startswith(f'{option}.')), None)
        if same is not None and options[option] is not None and not same.endswith('.stride'):
            raise UserError(f'{flag} and --cfg-options {option}=... both set {same}: leave out one of them')
    return sized


def _apply_sample_settings(cfg: Config, file: Path) -> dict[str, Any]:
    try:
        settings = read_sample_settings(cfg, file)
        with schedule_following(cfg):
            cfg.merge_from_dict(settings, allow_list_keys=False)
    except Exception as error:
        raise UserError(
            f'the settings for the sample in {file} do not fit the config: {last_line(error)}: '
            'set sample_settings in the config to another file, or to None'
        ) from error
    return settings


def _apply_options(cfg: Config, options: dict[str, Any]) -> None:
    known = set(cfg.keys()) | OPTIONAL_KEYS
    for option in options:
        key = option.split('.')[0]
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=1) or [', '.join(sorted(cfg.keys()))]
            raise UserError(f'--cfg-options: no key {key!r} in the config; did you mean {near[0]}?')
    check_options(cfg, options)
    try:
        with schedule_following(cfg):
            cfg.merge_from_dict(options)
    except (TypeError, KeyError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit the config: {last_line(error)}') from error
    if any(option.split('.')[0] == 'custom_imports' for option in options):
        import_modules(cfg, task_of(cfg), '--cfg-options')


def _nested(options: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for option, value in options.items():
        *parents, key = option.split('.')
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[key] = value
    return tree


def _sample_root(task: Task, data: str) -> str:
    if data == SAMPLE:
        from ..sample_data.create import ensure_sample

        return str(ensure_sample() / task.sample_folder)
    from ..sample_data.aerial.create import ensure_large_sample

    large_settings(task, data)  # only where the scenes are for the task
    return str(ensure_large_sample(bands=data == LARGE_BANDS))
