"""Find the images and masks of a data set, in any layout and format that is read."""

from __future__ import annotations

from pathlib import Path

from ...errors import NoData, UserError
from ..formats import FORMATS
from ..formats.base import WHOLE
from ..formats.file_cache import kept_while_unchanged
from ..formats.label_studio import describe_label_studio
from ..layouts import MASK_FOLDER, MASK_SPLITS, hint
from .annotations import find_annotations
from .folders import find_folders
from .mask_scan import ImageAndMask
from .options import AS_FOUND, FILES, MaskOptions, check_options
from .panoptic import PanopticSource, find_panoptic
from .sources import FolderSource, FoundMasks, MaskSource

LAYOUT = 'images/{training,validation}/*.jpg and annotations/{training,validation}/*.png'
OTHERS = (
    'or other pairs of folders such as images and masks, img_dir and ann_dir, train and train_masks, JPEGImages and '
    'SegmentationClass, leftImg8bit and gtFine; images with masks beside them that end in _mask; or annotations with '
    'polygons'
)


def find_masks(root: str | Path, split: str, options: MaskOptions = AS_FOUND) -> list[ImageAndMask]:
    """Find the images of a split with their masks; see :func:`find_masks_and_remarks`."""
    return find_masks_and_remarks(root, split, options).pairs


def find_masks_and_remarks(root: str | Path, split: str, options: MaskOptions = AS_FOUND) -> FoundMasks:
    """Find the images of a split with their masks, and what a user should know about them.

    Args:
        root: the data set's folder, such as one with ``images/<split>/`` and ``annotations/<split>/``.
        split: ``'training'`` or ``'validation'``; the folders may also have another name in
            :data:`~convnext_dense.data.layouts.MASK_SPLITS`. ``'whole'`` for data in no split, which are those of
            ``'training'`` as well.
        options: how they are found, as far as it is set.

    Raises:
        NoData: if there are no images in a known layout.
        UserError: for an image without a mask, for two images with the same mask, and if several folders or formats
            may be meant.
    """
    if split not in (*MASK_SPLITS, WHOLE):
        raise UserError(f"split {split!r} does not exist: take 'training' or 'validation'")
    source = find_source(root, options)
    if source is None or not source.has(split):
        raise _no_data(Path(root), split, source)
    return source.find(split)


_known: dict[tuple[str, MaskOptions], tuple[str, MaskSource]] = {}
"""Sources whose annotations were read in this process, with the state of their files at that time."""


def find_source(root: str | Path, options: MaskOptions = AS_FOUND) -> MaskSource | None:
    """Find where images and masks are; None if there are none in a known layout.

    Raises:
        UserError: if several folders or formats may be meant.
    """
    check_options(options)
    found = _find(Path(root), options)
    if isinstance(found, FolderSource) or found is None:
        return found
    key, state = (str(root), options), found.digest  # type: ignore[attr-defined]
    if _known.get(key, ('',))[0] != state:  # large files are read once
        _known[key] = state, found
    return _known[key][1]


@kept_while_unchanged
def _find(root: Path, options: MaskOptions) -> MaskSource | None:
    chosen = options.format
    if chosen not in (None, FILES, PanopticSource.format, *FORMATS):
        names = ', '.join((FILES, PanopticSource.format, *FORMATS))
        raise UserError(f'format {chosen!r} of masks does not exist: take one of {names}')
    found: list[MaskSource] = []
    if chosen in (None, FILES):
        folders = find_folders(root, options)
        if folders:
            found.append(FolderSource(root, folders))
            if options.folder is not None or not found[0].line:  # said, or ADE20K's own layout
                return found[0]
    if chosen in (None, PanopticSource.format):
        panoptic = find_panoptic(root)
        found += [panoptic] if panoptic else []
    if chosen not in (FILES, PanopticSource.format) and options.folder is None:
        try:
            annotated = find_annotations(root, chosen)
        except UserError:
            if not found:
                raise
            annotated = []
        found += [one for one in annotated if len(found) + len(annotated) == 1 or one.has_masks()]
    if len(found) > 1:
        flags = ' or '.join(f'--data-format {one.format}' for one in found)
        raise UserError(f'the masks of {root} may be read in {len(found)} ways: say which with {flags}')
    return found[0] if found else None


def has_split(root: str | Path, split: str, options: MaskOptions = AS_FOUND) -> bool:
    """Check whether there are images for a split."""
    source = find_source(root, options)
    return source.has(split) if source else _folder_in_ade(Path(root), split).is_dir()


def existing_splits(root: str | Path, options: MaskOptions = AS_FOUND) -> list[str]:
    """Return the splits of a data set, training first."""
    source = find_source(root, options)
    return [split for split in MASK_SPLITS if (source.has(split) if source else False)]


def is_whole(root: str | Path, options: MaskOptions = AS_FOUND) -> bool:
    """Check whether the images of a data set are in no split."""
    source = find_source(root, options)
    return source is not None and WHOLE in source.splits


def images_folder(root: str | Path, split: str, options: MaskOptions = AS_FOUND) -> Path:
    """Return the folder of a split's images, or that in ADE20K's layout if there is none."""
    source = find_source(root, options)
    return source.images_folder(split) if source and source.has(split) else _folder_in_ade(Path(root), split)


def _folder_in_ade(root: Path, split: str) -> Path:
    folders = [root / 'images' / name for name in MASK_SPLITS.get(split, (split,))]
    return next((folder for folder in folders if folder.is_dir() and folder.name != 'test'), folders[0])


def _no_data(root: Path, split: str, source: MaskSource | None) -> NoData:
    if source is not None and WHOLE in source.splits:
        return NoData(
            f'no data for {split} at {root}, whose images are in no split and all for training: take a share of them '
            'with --val-split, or give validation data'
        )
    images = _folder_in_ade(root, split)
    absent = next((one for one in (root, images, root / 'annotations' / images.name) if not one.is_dir()), images)
    fix = (
        describe_label_studio(root)
        or hint(root, MASK_FOLDER)
        or 'give another root with --data PATH, or take --data sample, which needs no data'
    )
    return NoData(f'no data at {absent}: expected {LAYOUT} under {root}, {OTHERS}; {fix}')
