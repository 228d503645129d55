"""Read a folder of images without labels for a check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...errors import NoData, UserError
from ..check.images import find_stray_files, find_unsupported_formats
from ..check.records import NOTE, WARNING, DatasetRecords, Finding, ImageRecord, SplitRecords
from ..image_scan import ImageScan
from .find import find_images
from .subset import select_files


class UnlabeledRecords(DatasetRecords):
    """Records of images without ground truth."""

    unit = 'images'
    has_positions = False

    def count_classes(self, image: ImageRecord, scan: ImageScan) -> dict[int, int]:
        return {}


def read_unlabeled(sources: Mapping[str, Mapping]) -> UnlabeledRecords:
    """List the images of a folder.

    Args:
        sources: arguments of :class:`~.dataset.UnlabeledImages`, ``root``, ``split`` and
            maybe others, for ``'train'``, ``'val'`` or both.

    Raises:
        NoData: if there are no images.
    """
    data = UnlabeledRecords(list(dict.fromkeys(str(source['root']) for source in sources.values())))
    read = set[str]()
    for name, source in sources.items():
        root = source['root']
        found = find_images(root)
        files = list(found.of_split(source.get('source') or source['split']))
        if root not in read:
            read.add(root)
            data.findings += [Finding(NOTE, name, note) for note in found.notes]
            data.findings += find_stray_files(name, found.left_out)
            data.findings += find_unsupported_formats(name, Path(root))
        try:
            if files and source.get('subset'):
                files, selected = select_files(root, files, source['subset'])
                if selected.split is not None and name == 'train':
                    data.findings.append(Finding(NOTE, '', selected.split.line))
                data.findings += [Finding(WARNING, name, note) for note in selected.notes]
        except NoData:
            raise
        except UserError as error:
            data.findings.append(Finding.of_error(name, error))
            files = []
        data.splits.append(SplitRecords(name, [ImageRecord(path) for path in files]))
    return data
