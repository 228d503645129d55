"""Formats of annotations with boxes or masks, which detection and segmentation share: a module for each.

:data:`FORMATS` lists them; :func:`find_sources` recognizes the format of a data set.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UserError
from ..archives import check_unpacked
from .base import WHOLE, Format, Source, take_test_for_val
from .coco import CocoFormat
from .coco_find import are_coco_files, find_coco
from .csv_boxes import CsvFormat
from .cvat import CvatFormat
from .file_cache import kept_while_unchanged
from .labelme import LabelMeFormat
from .nothing_found import no_data
from .open_images import OpenImagesFormat
from .supervisely import SuperviselyFormat
from .via import ViaFormat
from .voc import VocFormat
from .yolo import YoloFormat

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        CocoFormat(),
        YoloFormat(),
        VocFormat(),
        LabelMeFormat(),
        CvatFormat(),
        ViaFormat(),
        SuperviselyFormat(),
        OpenImagesFormat(),
        CsvFormat(),
    )
}
"""All formats by name."""


def source_of(dataset: Mapping[str, Any]) -> Source:
    """Return where the annotations of a data set are, from its config."""
    name = dataset.get('format', 'coco')
    if name not in FORMATS:
        raise UserError(f'format {name!r} of a data set does not exist: take one of {", ".join(FORMATS)}')
    return Source(Path(dataset['annotations']), Path(dataset['images']), name, dataset.get('split', ''))


def describe_source(source: Source) -> str:
    """Say where the annotations of a split are, and in what format if it is not COCO's."""
    if source.format == 'coco':
        return str(source.annotations)
    split = f', {source.split}' if source.split else ''
    return f'{source.annotations} ({FORMATS[source.format].title}{split})'


def find_sources(root: str, single: str = 'val', name: str | None = None) -> dict[str, Source]:
    """Find the splits of a data set in any format.

    Args:
        root: a folder, the file of a format such as ``data.yaml``, or explicit COCO files; see
            :func:`.coco_find.find_coco`.
        single: the split that data in no split are for.
        name: the format, where several may be meant; None to recognize it.

    Returns:
        The sources by ``'train'`` and ``'val'``, as far as there are any; a test split is for ``'val'`` if there is no
        other.

    Raises:
        NoData: if there are no data in a known format.
        UserError: if the data may be in several formats, or are faulty.
    """
    splits = find_splits(root, name)
    if splits is None and (name == 'coco' or (name is None and are_coco_files(root))):
        return find_coco(root, single)
    if splits is None:
        raise no_data(root, _among(name))
    if WHOLE in splits:
        return {single: splits[WHOLE]}
    return take_test_for_val(splits)


def find_splits(root: str, name: str | None = None) -> dict[str, Source] | None:
    """Find all splits of a data set in any format.

    Args:
        root: a folder, or the file of a format.
        name: the format, where several may be meant; None to recognize it.

    Returns:
        The sources by ``'train'``, ``'val'`` and ``'test'``, or by :data:`WHOLE` alone; None if there are none.

    Raises:
        UserError: if the data may be in several formats, or are faulty.
    """
    path = Path(root)
    check_unpacked(root)
    if name and name not in FORMATS:
        raise UserError(f'--data-format {name} is not for annotations of objects: take one of {", ".join(FORMATS)}')
    found, faulty = find_in_formats(path, name)
    for line in faulty:
        logging.getLogger('mmengine').warning(f'{root} {line}')
    if len(found) > 1:
        titles = ' and '.join(FORMATS[one].title for one in found)
        flags = ' or '.join(f'--data-format {one}' for one in found)
        raise UserError(f'{root} may be read as {titles}: say which with {flags}')
    return next(iter(found.values()), None)


@kept_while_unchanged
def find_in_formats(path: Path, name: str | None = None) -> tuple[dict[str, dict[str, Source]], list[str]]:
    """Find the splits of a data set in each format that it may be in.

    What is faulty in one format does not hinder reading another one.

    Args:
        path: a folder, or the file of a format.
        name: the only format to look for; None for all.

    Returns:
        The sources by split, by the name of the format; and a line for each format in which the data are faulty.

    Raises:
        UserError: if the data are in one format, in which they are faulty.
    """
    found, errors = {}, {}
    for one in _among(name).values():
        try:
            splits = one.find(path)
        except UserError as error:
            errors[one] = error
        else:
            if splits is not None:
                found[one.name] = splits
    if errors and not found:
        raise next(iter(errors.values()))
    lines = [f'is not read as {one.title} (--data-format {one.name}): {error}' for one, error in errors.items()]
    return found, lines


def _among(name: str | None) -> Mapping[str, Format]:
    return FORMATS if name is None else {name: FORMATS[name]}
