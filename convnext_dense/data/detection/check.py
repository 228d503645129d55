"""Read COCO files for a check."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import NoData, UserError
from ...io.coco_format import IGNORE_REGION
from ...io.image_size import ImageSize
from ...tiling.settings import TileSettings
from ..check.records import NOTE, PROBLEM, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..class_choice import ClassChoice, as_choice
from ..formats import FORMATS, describe_source, source_of
from ..formats.base import Source
from ..image_scan import ImageScan
from ..text import count_of
from .categories import check_known_names
from .coco import MOST_LOST, CocoData, check_enough_is_left, read_coco
from .coco_images import UNOPENED
from .instances import to_instance
from .options import FOR_BOXES
from .selection import Selection, describe_unmasked, is_object, select
from .subset import select_images


class CocoRecords(DatasetRecords):
    """Records of COCO files, with annotations for each image."""

    unit = 'annotations'

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return dict(Counter(i['bbox_label'] for i in image.instances if not i['ignore_flag']))


def read_coco_files(sources: Mapping[str, Mapping]) -> CocoRecords:
    """Read COCO files and list all problems with them. Classes are those of the first, others are joined by name.

    Args:
        sources: arguments of :class:`~convnext_dense.data.detection.dataset.CocoDataset`, ``annotations``, ``images``
            and optionally others, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if a file does not exist.
    """
    data = CocoRecords([])
    learns_masks = any(_learns_masks(source) for source in sources.values())
    contents: dict[
        tuple[Source, str | None, ClassChoice | None], CocoData
    ] = {}  # of two parts of a source, it is read once
    for name, source in sources.items():
        where = source_of(source)
        file = where.annotations
        data.locations.append(describe_source(where))
        data.splits.append(SplitRecords(name))
        if not file.exists():
            raise NoData(f'no annotations at {file}: give another root with --data PATH, or take --data sample')
        try:
            choice = as_choice(source.get('choice'))
            key = (where, source.get('box_format'), choice)
            is_new = key not in contents
            coco = contents[key] = contents.get(key) or read_coco(where, key[1], choice=choice, skips_bad=True)
        except UserError as error:
            data.findings.append(Finding.of_error(name, error))
            continue
        if is_new:
            data.findings += _findings(name, coco, source, learns_masks)
        if source.get('subset'):
            try:
                coco, split, notes = select_images(coco, source['subset'], str(where.images))
            except UserError as error:
                data.findings.append(Finding.of_error(name, error))
                continue
            data.findings += [Finding(NOTE, '', split.line)] if split and is_new else []
            data.findings += [Finding(WARNING, name, note) for note in notes]
        data.classes = data.classes or list(source.get('classes') or coco.classes)
        try:
            check_known_names(coco.classes, coco.name, data.classes, data.splits[0].name)
        except UserError as error:
            data.findings.append(Finding.of_error(name, error))
        selected = _select(name, coco, source)
        data.splits[-1].images += _records(coco, source, data.classes, selected)
        unannotated = [image.path for image in data.splits[-1].images if not image.instances]
        if unannotated:
            message = f'{count_of(unannotated, "image")} without annotations'
            data.findings.append(Finding(NOTE, name, message, '', unannotated, unannotated))
        if selected is not None:
            data.findings += _not_learned(name, source['images'], selected)
    return data


def _select(split: str, coco: CocoData, source: Mapping[str, Any]) -> Selection | None:
    """Select what training uses, or None in a split for evaluation, which uses everything."""
    if split != 'train' or source.get('test_mode'):
        return None
    rules, pipeline, least_side = source.get('filter_cfg'), source.get('pipeline', ()), source.get('least_side', 0)
    tiles = TileSettings.of(source.get('tiles'))
    needs_masks = _needs_masks(source) and coco.has_masks
    return select(coco, rules, pipeline, least_side, needs_masks, None if tiles is None else tiles.size)


def _records(
    coco: CocoData, source: Mapping[str, Any], classes: Sequence[str], selected: Selection | None
) -> Iterator[ImageRecord]:
    """Yield the images of a file, without annotations of unknown classes and those that training leaves out.

    What training ignores, since it has no mask, is ignored here, too.
    """
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    labels = {number: classes.index(name) for number, name in names.items() if name in classes}
    labels |= dict.fromkeys(coco.other_ids, IGNORE_REGION)
    of_image = coco.annotations if selected is None else selected.annotations
    needs_masks = _needs_masks(source) and coco.has_masks  # a file without any is refused, and counted
    used = {image['id'] for image in (coco if selected is None else selected).images}
    for image in coco.images:
        path = os.path.join(source['images'], image['file_name'])
        annotations = [a for a in of_image[image['id']] if a['category_id'] in labels]
        instances = [to_instance(a, labels[a['category_id']]) for a in annotations]
        for instance, annotation in zip(instances, annotations, strict=True):
            if selected is not None and not is_object(annotation, needs_masks):
                instance['ignore_flag'] = 1
        size = ImageSize(image['height'], image['width'])
        is_upright = FORMATS[source.get('format', 'coco')].is_upright
        yield ImageRecord(path, instances=instances, size=size, is_upright=is_upright, is_read=image['id'] in used)


def _not_learned(split: str, folder: str, selected: Selection) -> Iterator[Finding]:
    if selected.thin_boxes:
        items = [f'annotation {number}' for number in selected.thin_boxes]
        yield Finding(WARNING, split, f'{count_of(items, "box", "boxes")} thinner than a pixel not learned', '', items)
    small, thin = ([os.path.join(folder, i['file_name']) for i in some] for some in (selected.small, selected.thin))
    if small:
        yield Finding(WARNING, split, f'{count_of(small, "image")} too small, left out in training', '', small, small)
    if thin:
        message = f'{count_of(thin, "image")} too thin for the anchors of a detector, left out in training'
        yield Finding(WARNING, split, message, 'cut them into parts', thin, thin)
    if not selected.images:
        yield Finding(PROBLEM, split, 'no image is left to learn from', 'see the other findings')


def _findings(split: str, coco: CocoData, source: Mapping[str, Any], learns_masks: bool) -> Iterator[Finding]:
    file = Path(source['annotations'])
    if coco.choice_line:
        yield Finding(NOTE, split, coco.choice_line)
    for fault in coco.faults:
        is_problem = fault.message == UNOPENED and source.get('on_bad_image') != 'skip'
        fix = 'get or remove them, or leave them out with --on-bad-image skip' if is_problem else ''
        yield Finding(PROBLEM if is_problem else fault.level, split, fault.line, fix, fault.items)
    if not coco.has_masks and _learns_masks(source):
        message = f'{file} has no masks, which the pipeline loads'
        yield Finding(PROBLEM, split, message, f'annotate them, or {FOR_BOXES}')
    elif coco.has_masks and coco.without_mask and _learns_masks(source):
        yield Finding(WARNING, split, describe_unmasked(coco, not _needs_masks(source)))
    elif coco.has_masks and coco.without_mask and learns_masks:
        objects = count_of(range(coco.without_mask), 'object')
        yield Finding(WARNING, split, f'without a mask, so not counted in the AP of masks: {objects}')
    if not coco.has_objects:
        fix = 'choose others, or add some' if coco.of_other_classes else 'correct them'
        yield Finding(PROBLEM, split, coco.describe_no_objects(), f'there is nothing to learn or measure: {fix}')
    try:
        check_enough_is_left(file, coco, _needs_masks(source), source.get('most_lost', MOST_LOST))
    except UserError as error:
        yield Finding.of_error(split, error)


def _learns_masks(source: Mapping[str, Any]) -> bool:
    return any(step.get('with_mask') for step in source.get('pipeline', ()))


def _needs_masks(source: Mapping[str, Any]) -> bool:
    """Check whether objects without a mask are ignored in training, or lost in evaluation."""
    return _learns_masks(source) and (bool(source.get('test_mode')) or not source.get('keeps_unmasked'))
