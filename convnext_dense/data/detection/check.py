"""Read COCO files for a check."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ...errors import NoData, UserError
from ...io.image_size import ImageSize
from ..check.records import NOTE, PROBLEM, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..image_scan import ImageScan
from ..text import count_of
from .coco import CocoPaths, check_same_categories, read_coco
from .instances import to_instance
from .thin_images import is_too_thin, longest_side


class CocoRecords(DatasetRecords):
    """Records of COCO files, with annotations for each image."""

    unit = 'annotations'

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return dict(Counter(i['bbox_label'] for i in image.instances if not i['ignore_flag']))


def read_coco_files(sources: Mapping[str, Mapping]) -> CocoRecords:
    """Read COCO files and list all problems with them.

    Args:
        sources: arguments of :class:`~convnext_dense.data.detection.dataset.CocoDataset`, ``annotations``, ``images``
            and optionally ``pipeline``, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if a file does not exist.
    """
    data = CocoRecords([])
    findings, read = data.findings, []
    for name, source in sources.items():
        file = source['annotations']
        data.locations.append(str(file))
        data.splits.append(SplitRecords(name))
        if not Path(file).is_file():
            raise NoData(f'no annotations at {file}: give another root with --data PATH, or take --data sample')
        try:
            coco = read_coco(CocoPaths(Path(file), Path(source['images'])))
        except UserError as error:
            findings.append(Finding.of_error(name, error))
            continue
        read.append(coco)
        data.classes = list(coco.classes)
        labels = {number: label for label, number in enumerate(coco.category_ids)}
        for fault in coco.faults:
            items = [f'annotation {number}' for number in fault.annotation_ids]
            findings.append(Finding(WARNING, name, f'{count_of(items, "annotation")} {fault.message}', '', items))
        if not coco.has_masks and any(step.get('with_mask') for step in source.get('pipeline', ())):
            message = f'{file} has no masks, which the detector needs'
            fix = 'annotate them, or take a config of a detector without masks'
            findings.append(Finding(PROBLEM, name, message, fix))
        unannotated, thin = [], []
        longest = longest_side(source.get('pipeline', ()))
        for image in coco.images:
            path = os.path.join(source['images'], image['file_name'])
            instances = [to_instance(a, labels[a['category_id']]) for a in coco.annotations[image['id']]]
            size = ImageSize(image['height'], image['width'])
            data.splits[-1].images.append(ImageRecord(path, instances=instances, size=size))
            if not instances:
                unannotated.append(path)
            elif name == 'train' and is_too_thin(size, longest):
                thin.append(path)
        if unannotated:
            message = f'{count_of(unannotated, "image")} without annotations'
            findings.append(Finding(NOTE, name, message, '', unannotated, unannotated))
        if thin:
            message = f'{count_of(thin, "image")} too thin for the anchors of a detector, left out in training'
            findings.append(Finding(WARNING, name, message, 'cut them into parts', thin, thin))
    if len(read) == 2:
        try:
            check_same_categories(*read)
        except UserError as error:
            findings.append(Finding.of_error('', error))
    return data
