"""Read an image folder for a check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...errors import NoData, UserError
from ..check.images import find_stray_files, find_unsupported_formats
from ..check.records import NOTE, PROBLEM, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..class_choice import as_choice
from ..image_files import subfolders
from ..image_scan import ImageScan
from .find import choose_files, files_by_class, find_split, scan_classes
from .layout import FOLDERS, Reading
from .subset import select_files

FOLDERS_ALONE = Reading(FOLDERS)


class ImageFolderRecords(DatasetRecords):
    """Records of an image folder, with a class label for each image."""

    unit = 'images'
    has_positions = False
    takes_bands = False

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return {} if image.label is None else {image.label: 1}


def read_image_folder(sources: Mapping[str, Mapping]) -> ImageFolderRecords:
    """List the images of an image folder and the problems with its folders.

    Args:
        sources: arguments of :class:`~convnext_dense.data.classification.dataset.ImageFolder`, ``root``, ``split``
            and maybe others, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if there are no images in this layout.
    """
    findings = []
    first = next(iter(sources.values()))
    root = first['root']
    try:
        classes = scan_classes(root, Reading.of(first))
    except NoData:
        raise
    except UserError as error:  # the splits have different classes
        findings.append(Finding.of_error('', error))
        if not Path(root).is_dir():  # a faulty list, of which nothing is known
            return ImageFolderRecords([str(root)], findings=findings)
        folders = [folder for split in ('train', 'val') if (folder := find_split(root, split, FOLDERS_ALONE))]
        classes = sorted({name for folder in folders for name in subfolders(folder)})
    choice = as_choice(first.get('choice'))
    chosen = classes if choice is None else list(first.get('classes') or choice.apply(classes).names)
    data = ImageFolderRecords([str(root)], chosen, findings=findings)
    read = set[str]()
    for name, source in sources.items():
        data.splits.append(SplitRecords(name))
        try:
            whole, reading = source.get('source') or source['split'], Reading.of(source)
            if choice is None:
                found = files_by_class(source['root'], whole, classes, reading)
            else:
                own = classes if source['root'] == root else scan_classes(source['root'], reading)
                found = files_by_class(source['root'], whole, own, reading)
                found, line = choose_files(found, own, chosen, choice)
                if whole not in read:
                    findings.append(Finding(NOTE, name, line))
            if source.get('subset'):
                found, split, notes = select_files(found, chosen, source['subset'])
                findings += [Finding(NOTE, '', split.line)] if split and name == 'train' else []
                findings += [Finding(WARNING, name, note) for note in notes]
        except NoData:
            raise
        except UserError as error:  # classes of another root that are unknown, or a faulty list
            if str(error) not in [finding.message for finding in findings]:
                findings.append(Finding.of_error(name, error))
            continue
        if found.empty and not any(finding.level == PROBLEM for finding in findings):
            message = (
                f'{len(found.empty)} class folder{"s that hold" if len(found.empty) > 1 else " that holds"} no images'
            )
            findings.append(Finding(PROBLEM, name, message, 'fill or remove them', list(map(str, found.empty))))
        images = [ImageRecord(file, label=label) for label, files in enumerate(found.files) for file in files]
        data.splits[-1].images += images
        if whole in read:  # said of the same files
            continue
        read.add(whole)
        findings += [Finding(NOTE, name, note) for note in found.notes]
        findings += [Finding(WARNING, name, doubt) for doubt in found.doubts]
        findings += find_stray_files(name, found.left_out)
        findings += find_unsupported_formats(name, found.folder)
    return data
