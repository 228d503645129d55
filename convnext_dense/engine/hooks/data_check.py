"""Hook that checks some of the data when training starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...compat.mmengine_private_names import normalizes
from ...counting import counted
from ...data.check.bands import FAR_FROM, find_lost_spread
from ...data.check.records import NOTE
from ...data.check.small_objects import ObjectSize, find_small, object_sizes
from ...data.check.values import find_enlarged, find_value_faults
from ...data.foreign import classes_of, count_images, different_class, innermost
from ...data.image_scan import ImageHeader, measure_bands, read_header
from ...data.seen_sizes import UNKNOWN, SeenSizes
from ...data.text import shortened
from ...data.tiles import LARGE_IMAGE
from ...errors import UserError
from ...io.band_choice import check_exist
from ...io.band_images import bad_image, check_same_kind
from ...io.image_size import ImageSize
from ...io.images import ImageValues, measure_values, open_image
from ...io.opening import AS_USUAL, OF_ANY_SIZE
from ...io.value_range import AmbiguousValues
from ...io.window import central_window
from ...io.windowed_image import decodes_whole
from ...registry import HOOKS

MAX_OPENED = 64  # images per split, which take 20 ms on a local disk
MAX_DECODED = 16  # images per split, which take 0.2 s if they are photos of COCO


@HOOKS.register_module()
class DataCheck(Hook):
    """Hook that logs the numbers of images and classes, and quickly checks some images of each split.

    The headers of up to 64 are read, and up to 16 are decoded: what their values become is said, and a warning says
    if they are near-constant or clipped. Annotations and masks are checked when the data sets are built.

    Args:
        side: the shorter side that training resizes images to on average, in pixels; None if it is unknown.
        square: the network takes squares.
        seen: how large the network sees images or tiles in training, for advice on objects that come out small.

    Raises:
        UserError: if a file is not an image or its size differs from its annotations, or the value range of an image
            is ambiguous, unless the run skips bad images.
    """

    def __init__(self, side: float | None = None, square: bool = False, seen: SeenSizes = UNKNOWN) -> None:
        self.side, self.square, self.seen = side, square, seen

    def before_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        loops = [('train', runner.train_loop), *([('val', runner.val_loop)] if runner.val_loop else [])]
        check_same_classes(*[loop.dataloader.dataset for _, loop in loops])
        for split, loop in loops:
            dataset = loop.dataloader.dataset
            runner.logger.info(f'{split}: {describe_dataset(dataset)}')
            headers: list[ImageHeader] = []
            values: list[Any] = []
            others = []
            for part in innermost(dataset):
                if not hasattr(part, 'image'):
                    others.append(type(part).__name__)
                    continue
                headers += check_headers(part) if part.on_bad_image == 'stop' else []
                if getattr(part, 'bands', None) is not None:
                    check_bands(part, runner.bare_model, split, runner.logger)
                else:
                    values += measure_some(part)
            if others:
                runner.logger.info(
                    f'{split}: {", ".join(dict.fromkeys(others))} can not skip bad images or count classes, and its '
                    'images are not checked before training'
                )
            has_bands = any(hasattr(part, 'bands') for part in innermost(dataset))
            findings = list(find_value_faults(split, values, has_bands))
            if split == 'train':
                sizes = [header.upright_size for header in headers]
                if self.seen.scales:
                    objects = [size for part in innermost(dataset) for size in sizes_of_objects(part)]
                    findings += find_small(split, sizes, objects, self.seen)
                if self.seen.tile is None:
                    findings += find_enlarged(split, sizes, self.side, self.square)
            for finding in findings:
                level = logging.INFO if finding.level == NOTE else logging.WARNING
                fix = f': {finding.fix}' if finding.fix else ''
                runner.logger.log(level, f'{split}: {finding.message}{fix}')
            if split == 'train':
                log_remarks(runner, dataset)


def check_bands(dataset: Any, model: Any, split: str, logger: logging.Logger) -> None:
    """Check the bands of some images against the statistics that the model normalizes with.

    Args:
        dataset: the data set, with the bands that it reads.
        model: the model.
        split: the split's name.
        logger: it gets a warning if most of them come out near-constant.

    Raises:
        UserError: if an image is of another kind than the statistics, or most have values far from them.
    """
    used = getattr(model.data_preprocessor, 'bands', None)
    if used is None or not normalizes(model.data_preprocessor):
        return
    measured = []
    for index in _spread(count_images(dataset), MAX_DECODED):
        path, _ = dataset.image(index)
        if _is_left_to_tiles(dataset, path):
            continue
        try:
            values = measure_bands(path, dataset.opening, _tile_of(dataset))
        except Exception:  # it is reported or skipped when it is read for training
            continue
        try:
            check_same_kind(used, len(values.sums.mean), np.dtype(values.dtype))
            check_exist(used.bands, len(values.sums.mean), 'it has')
        except UserError as error:
            if dataset.on_bad_image == 'stop':
                raise bad_image(path, error) from None
            continue
        measured.append((path, values))
    mean, std = (getattr(model.data_preprocessor, name).flatten().tolist() for name in ('mean', 'std'))
    for finding in find_lost_spread(split, measured, used.bands, mean, std):
        line = f'{split}: {finding.message}: {finding.fix}'
        if FAR_FROM in finding.message:
            raise UserError(line)
        logger.warning(line)


def log_remarks(runner: Runner, dataset: Any) -> None:
    """Log what a data set has to say about its ground truth: its ``remarks``, each with True if it is a warning.

    Those of the data sets inside wrappers are logged, each once.
    """
    parts = list({id(part): part for part in innermost(dataset)}.values())
    said = [remark for part in parts for remark in getattr(part, 'remarks', ())]
    for is_warning, remark in dict.fromkeys(map(tuple, said)):
        (runner.logger.warning if is_warning else runner.logger.info)(remark)


def check_same_classes(training: Any, validation: Any = None) -> None:
    """Check that the labels of two data sets, and of their parts, are the same classes, as far as ``metainfo`` tells.

    Raises:
        UserError: if not; the message has the first difference.
    """
    learned, tested = classes_of(training), classes_of(validation)
    if learned is None or tested is None:
        return
    if difference := different_class(learned, tested):
        label, own, other = difference
        raise UserError(
            f'class {label} is {own} in the training data and {other} in the validation data: give both the same '
            'classes in the same order'
        )


def describe_dataset(dataset: Any) -> str:
    """Describe the size of a data set, such as ``6,000 images, 12 classes of 480 (bird) to 520 (boat) images``."""
    classes: Sequence[str] = classes_of(dataset) or ()
    counts = getattr(dataset, 'class_counts', None) if len(list(innermost(dataset))) == 1 else None
    named = counted(len(classes), 'class', 'classes') if classes else 'unknown classes'
    if getattr(dataset, 'labels_are_ignored', False):
        named = 'without labels'
    cut = [part for part in innermost(dataset) if getattr(part, 'tile_table', None) is not None]
    where = f' of {counted(sum(map(count_images, cut)), "image")}' if cut else ''
    text = f'{counted(len(dataset), "tile" if cut else "image")}{where}, {named}'
    if counts is None or not len(counts):
        return text
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[least] == counts[most]:
        text += f', each of {counts[least]:,}' if len(classes) > 1 else f' ({classes[0]}) of {counts[0]:,}'
    else:
        text += f' of {counts[least]:,} ({classes[least]}) to {counts[most]:,} ({classes[most]})'
    text += f' {dataset.counted_units}'
    return f'{text}; without an example: {shortened(absent)}' if absent else text


def sizes_of_objects(dataset: Any) -> list[ObjectSize]:
    """Return the sizes of the objects in some images, spread evenly over a data set of ours with objects."""
    if not hasattr(dataset, 'image'):
        return []
    count, read = len(dataset), dataset.get_data_info
    if _tile_of(dataset) is not None and 'panoptic' in dataset.image_info(0):  # a tile has all segments of its image
        count, read = dataset.image_count, dataset.image_info
    infos = [read(index) for index in _spread(count, MAX_OPENED)]
    sized = [info for info in infos if isinstance(info, dict) and 'width' in info]
    return [one for info in sized for one in object_sizes(ImageSize(info['height'], info['width']), info)]


def check_headers(dataset: Any) -> list[ImageHeader]:
    """Read the headers of some images, spread evenly over a data set, and return them.

    Raises:
        UserError: if an image can't be opened, or its size differs from its annotations.
    """
    headers = []
    for index in _spread(count_images(dataset), MAX_OPENED):
        path, size = dataset.image(index)
        opening = getattr(dataset, 'opening', AS_USUAL)
        if _tile_of(dataset) is not None and not decodes_whole(path, opening):
            opening = opening._replace(max_pixels=OF_ANY_SIZE.max_pixels)  # only windows of it are decoded
        header = read_header(path, opening)
        if isinstance(header, str):
            fault = header
        elif not header.fits(size):
            fault = f'it is {header.size}, its annotations say {size}, height x width'
        else:
            headers.append(header)
            continue
        raise UserError(
            f'bad image {path} ({fault}): fix or remove it, or skip it with --on-bad-image skip; '
            'tools/check_data.py finds all bad images'
        )
    return headers


def measure_some(dataset: Any) -> list[tuple[str, ImageValues]]:
    """Decode some images, spread evenly over a data set, and return path and values of those that can be read.

    Raises:
        UserError: if the value range of an image is ambiguous, unless the data set skips bad images.
    """
    measured, tile = [], _tile_of(dataset)
    for index in _spread(count_images(dataset), MAX_DECODED):
        path, _ = dataset.image(index)
        if _is_left_to_tiles(dataset, path):
            continue
        try:
            if tile is not None:  # of images that may be too large to be decoded, a part, with the levels that it gets
                with dataset.open_whole(dataset.image_info(index)) as windows:
                    measured.append((path, windows.measure(central_window(windows.size, tile))))
                continue
            with open_image(path, opening=getattr(dataset, 'opening', AS_USUAL)) as image:
                measured.append((path, measure_values(image, getattr(dataset, 'value_range', None))))
        except AmbiguousValues as error:
            if dataset.on_bad_image == 'stop':
                raise UserError(f'bad image {path} ({error})') from None
        except UserError as error:
            if isinstance(error.__cause__, AmbiguousValues) and dataset.on_bad_image == 'stop':
                raise
        except Exception:  # it is reported or skipped when it is read for training
            continue
    return measured


def _tile_of(dataset: Any) -> ImageSize | None:
    tiles = getattr(dataset, 'tiles', None)
    return None if tiles is None else tiles.size


def _is_left_to_tiles(dataset: Any, path: str) -> bool:
    """Whether an image is too large to be decoded as a whole only to look at it, where tiles of it are read."""
    if _tile_of(dataset) is None:
        return False
    header = read_header(path, dataset.opening)
    is_large = not isinstance(header, str) and header.size.height * header.size.width > LARGE_IMAGE
    return is_large and decodes_whole(path, dataset.opening)


def _spread(count: int, most: int) -> list[int]:
    indices: list[int] = np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()
    return indices
