"""Read an image folder for a check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...errors import NoData, UserError
from ..check.images import find_unsupported_formats
from ..check.records import PROBLEM, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..image_scan import ImageScan
from .find import files_by_class, scan_classes


class ImageFolderRecords(DatasetRecords):
    """Records of an image folder, with a class label for each image."""

    unit = 'images'
    has_positions = False

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return {} if image.label is None else {image.label: 1}


def read_image_folder(sources: Mapping[str, Mapping]) -> ImageFolderRecords:
    """List the images of an image folder and the problems with its folders.

    Args:
        sources: arguments of :class:`~convnext_dense.data.classification.dataset.ImageFolder`, ``root`` and
            ``split``, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if there are no images in this layout.
    """
    findings = []
    root = next(iter(sources.values()))['root']
    try:
        classes = scan_classes(root)
    except NoData:
        raise
    except UserError as error:  # the splits have different classes
        findings.append(Finding.of_error('', error))
        folders = (Path(root, split) for split in ('train', 'val'))
        classes = sorted({entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()})
    data = ImageFolderRecords([str(root)], classes, findings=findings)
    for name, source in sources.items():
        files_of, empty = files_by_class(source['root'], source['split'], classes)
        if empty and not findings:
            message = f'{len(empty)} class folder{"s that hold" if len(empty) > 1 else " that holds"} no images'
            findings.append(Finding(PROBLEM, name, message, 'fill or remove them', list(map(str, empty))))
        images = [ImageRecord(file, label=label) for label, files in enumerate(files_of) for file in files]
        data.splits.append(SplitRecords(name, images))
        findings += find_unsupported_formats(name, Path(source['root'], source['split']))
    return data
