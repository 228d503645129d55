"""Sources of images with masks: files in folders, and the base class of all."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NoData, UserError
from ..formats.base import WHOLE
from ..formats.faults import Fault
from ..formats.text_files import read_lines
from ..image_files import EXTENSIONS, FoundFiles, find_files
from ..layouts import MASK_SPLITS, SPLIT_NAMES
from ..text import shortened
from .folders import MASK_EXTENSIONS, SplitFolders
from .mask_names import LOSSY, SAME, beside_each_other, by_common_part, find_endings
from .mask_scan import ImageAndMask


class FoundMasks(NamedTuple):
    """The images of a split with their masks, sorted, including subfolders."""

    pairs: list[ImageAndMask]
    remarks: list[str]
    """Lines about masks without an image, and about a folder of another name."""
    left_out: list[str]
    """Stray files among the images and masks; see :func:`~convnext_dense.data.image_files.find_files`."""
    name: str = ''
    """Name of the annotations that have faults."""
    faults: Sequence[Fault] = ()
    """Faults of annotations."""


class MaskSource(ABC):
    """Base class: the images of a data set with their masks, by split."""

    root: Path
    splits: Mapping[str, Any]
    """What there is, by ``'training'`` and ``'validation'``, or WHOLE alone for data in no split."""
    format: str
    """A name for :class:`~convnext_dense.data.segmentation.options.MaskOptions`."""
    line: str = ''
    """One line about where images and masks are, unless it is ADE20K's layout."""

    def has(self, split: str) -> bool:
        """Check whether there are data for a split; data in no split are for training."""
        return self.own_name(split) in self.splits

    def own_name(self, split: str) -> str:
        """Return the key of a split in :attr:`splits`."""
        return WHOLE if split == 'training' and WHOLE in self.splits else split

    @cached_property
    def _found(self) -> dict[str, FoundMasks]:
        return {}

    def find(self, split: str) -> FoundMasks:
        """Find the images of a split with their masks, once; see :func:`.find.find_masks_and_remarks`."""
        own = self.own_name(split)
        if own not in self._found:
            self._found[own] = self._find(split)
        return self._found[own]

    @abstractmethod
    def _find(self, split: str) -> FoundMasks:
        """Find the images of a split with their masks."""

    def usable_pairs(self) -> list[list[ImageAndMask]]:
        """Return the images and masks of each split, training first, but of those that have faults."""
        found = []
        for split in (split for split in MASK_SPLITS if self.has(split)):
            try:
                found.append(self.find(split).pairs)
            except UserError:  # reported when the split is read
                continue
        return [pairs for pairs in found if pairs]

    def images_folder(self, split: str) -> Path:
        """Return the folder of a split's images."""
        return Path(self.splits[self.own_name(split)].images)


class FolderSource(MaskSource):
    """Images and masks in folders.

    Args:
        root: the data set's folder.
        splits: the folders by split.
    """

    format = 'masks'

    def __init__(self, root: Path, splits: Mapping[str, SplitFolders]) -> None:
        self.root, self.splits = root, splits

    @property
    def line(self) -> str:  # type: ignore[override]
        images, masks = (
            ' and '.join(dict.fromkeys(self._relative(folder) for folder in folders))
            for folders in zip(*((one.images, one.masks) for one in self.splits.values()), strict=True)
        )
        if all(one.masks.parent == self.root / 'annotations' for one in self.splits.values()):
            return ''
        split = ', in no split' if WHOLE in self.splits else ''
        lists = [self._relative(one.listed) for one in self.splits.values() if one.listed is not None]
        listed = f', as {" and ".join(lists)} list' if lists else ''
        return f'images are in {images}, masks in {"the same" if images == masks else masks}{listed}{split}'

    def _relative(self, path: Path) -> str:
        relative = os.path.relpath(path, self.root)
        return f'{self.root}' if relative == '.' else relative

    def _find(self, split: str) -> FoundMasks:
        folders = self.splits[self.own_name(split)]
        images, masks, listed = folders
        if not masks.is_dir():
            raise NoData(f'no data at {masks}, which would hold the masks for {images}: add them')
        remarks = []
        found = find_files(images)
        if images == masks:
            found_masks = found
            endings, image_of, mask_of = _apart(images, found)
        else:
            found_masks = find_files(masks)
            image_of, mask_of = _by_name(images, found.images), _by_name(masks, _lossless_first(found_masks.files))
            endings = SAME if image_of.keys() <= mask_of.keys() else find_endings(image_of, mask_of)
        if not found.images:
            others = found.describe_others()
            raise NoData(
                f'{images} holds no images ({", ".join(EXTENSIONS)}){f", but {others}" if others else ""}: fill it'
            )
        image_of, mask_of = by_common_part(image_of, endings.image), by_common_part(mask_of, endings.mask)
        if listed is not None:
            image_of, mask_of = _listed(listed, image_of, mask_of)
        absent = [name for name in image_of if name not in mask_of]
        if absent:
            named = f'{endings.mask}.png' if endings.mask else '.png'
            raise UserError(
                f'{len(absent)} of {len(image_of)} images in {images} have no mask in {masks}: '
                f'{shortened(absent, 3)}; add masks of the same name ({named}) or remove the images'
            )
        unused = [name for name in mask_of if name not in image_of]
        if unused and masks not in [other.masks for other in self.splits.values() if other is not folders]:
            which = f'{len(unused)} of {len(mask_of)} masks in {masks}'
            remarks.append(f'{which} have no image and are left out: {shortened(unused, 3)}')
        is_other = images.name in SPLIT_NAMES and images.name not in (split, 'train', 'val')
        if split in self.splits and is_other:
            remarks.append(f'{images} is taken for {split}')
        pairs = [(image, mask_of[name]) for name, image in image_of.items()]
        left_out = dict.fromkeys([*found.left_out, *found_masks.left_out])
        return FoundMasks(pairs, remarks, list(left_out))


def _apart(folder: Path, found: FoundFiles) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Tell images and masks in one folder apart by their endings, or else by their suffixes."""
    files = [file for file in found.files if file.lower().endswith((*EXTENSIONS, *MASK_EXTENSIONS))]
    endings = beside_each_other([os.path.relpath(file, folder) for file in files]) or SAME
    if endings == SAME:
        lossy = [file for file in files if file.lower().endswith(LOSSY)]
        others = [file for file in files if not file.lower().endswith(LOSSY)]
        return endings, _by_name(folder, lossy), _by_name(folder, others)
    is_mask = {file: os.path.splitext(file)[0].endswith(endings.mask) for file in files}
    images = [file for file in files if not is_mask[file] and file.lower().endswith(EXTENSIONS)]
    return endings, _by_name(folder, images), _by_name(folder, [file for file in files if is_mask[file]])


def _lossless_first(files: Sequence[str]) -> list[str]:
    """Return the files in formats of masks, without JPEGs beside a mask of the same name: they are drawings of it."""
    masks = [file for file in files if file.lower().endswith(MASK_EXTENSIONS)]
    lossy = [file for file in masks if file.lower().endswith(LOSSY)]
    if not lossy:
        return masks
    exact = {os.path.splitext(file)[0] for file in masks if not file.lower().endswith(LOSSY)}
    drawings = {file for file in lossy if os.path.splitext(file)[0] in exact}
    return [file for file in masks if file not in drawings]


def _by_name(folder: Path, files: Sequence[str]) -> dict[str, str]:
    """Return files by their path relative to the folder, without suffix."""
    named: dict[str, str] = {}
    start = len(str(folder)) + 1
    for file in files:
        name, _ = os.path.splitext(file[start:])
        if name in named:
            raise UserError(f'{named[name]} and {file} would share a mask: rename one')
        named[name] = file
    return named


def _listed(
    file: Path, image_of: Mapping[str, str], mask_of: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the images and masks that a list names, in its order.

    Raises:
        UserError: if an image is not there, or the list names none.
    """
    names = list(dict.fromkeys(line for line in read_lines(file) if not line.startswith('#')))
    own = {name: name if name in image_of else os.path.splitext(name)[0] for name in names}
    absent = [name for name, key in own.items() if key not in image_of]
    if absent or not names:
        what = (
            f'{len(absent)} of {len(names)} images that are not there: {shortened(absent, 3)}'
            if absent
            else 'no images'
        )
        raise UserError(f'{file} lists {what}: correct the list')
    return {key: image_of[key] for key in own.values()}, {key: mask_of[key] for key in own.values() if key in mask_of}
