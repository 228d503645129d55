"""Find images that are unusable, unusual or duplicated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from ...io.image_size import TOTAL_STRIDE
from ...io.opening import DEFAULT_MAX_PIXELS
from ..image_files import EXTENSIONS, describe_left_out, find_files
from ..image_scan import ImageHeader, ImageScan
from ..text import count_of
from .records import NOTE, PROBLEM, WARNING, Finding, ImageRecord, SplitRecords

MOST_PIXELS = DEFAULT_MAX_PIXELS // 2
"""Pixels above which it is said that an image is slow to decode."""
USUAL_MODES = ('RGB', 'L', 'P', '1')
UNSUPPORTED = ('.gif', '.heic', '.heif', '.avif', '.jp2', '.tga', '.psd', '.dng', '.cr2', '.nef', '.jxl')


def find_unsuitable_images(
    split: SplitRecords, scans: Sequence[ImageScan], has_positions: bool, skip: bool
) -> Iterable[Finding]:
    """Find images that can't be decoded, don't match their annotations, or are unusual.

    Args:
        split: the records of the images.
        scans: the scan of each image.
        has_positions: see :class:`~convnext_dense.data.check.DatasetRecords`.
        skip: the run will skip images that can't be decoded.

    Returns:
        A finding for each kind of fault, with all affected images.
    """
    faults: dict[tuple[str, str, str], list[tuple[str, str]]] = {}

    def note(level: str, message: str, fix: str, path: str, detail: object = '') -> None:
        faults.setdefault((level, message, fix), []).append((path, f'{path} ({detail})' if detail else path))

    for image, scan in zip(split.images, scans, strict=True):
        path, header = image.path, scan.header
        unusable = WARNING if skip or not image.is_read else PROBLEM
        if header is None:
            fix = 'restore or remove them, or train without them: --on-bad-image skip'
            message = "that can't be decoded"
            if scan.is_ambiguous:
                message, fix = 'whose values can mean several ranges', 'set the range: --value-range LOW HIGH'
            elif 'choose those to take with --bands' in str(scan.fault):  # it is no image in color
                message, fix = 'of other bands than red, green and blue', 'choose some with --bands'
            if scan.is_too_large:
                message, fix = 'of more pixels than are decoded', 'set the limit: --max-pixels N'
            note(unusable, message, fix, path, scan.fault)
            continue
        size = header.size
        if not header.fits(image.size):
            fix = 'restore or remove them, or train without them: --on-bad-image skip'
            detail = f'{size}, annotations: {image.size}'
            message = 'of another size than the annotations were made for (height x width)'
            note(unusable, message, fix, path, detail)
        if min(size) < TOTAL_STRIDE:
            note(WARNING, f'with a side of less than {TOTAL_STRIDE} pixels', 'remove them', path, size)
        if size.height * size.width > MOST_PIXELS and not scan.in_windows:
            fix = 'they are slow to decode: make them smaller, or save them as TIFF in tiles and take --tile'
            note(WARNING, f'of more than {MOST_PIXELS / 1e6:.0f} million pixels', fix, path, size)
        if header.orientation > 1:
            keeps_size = header.orientation < 5 or size.height == size.width  # so that it does not tell
            if not has_positions or (keeps_size and image.is_upright):
                note(NOTE, 'turned upright, as EXIF says', '', path, f'orientation {header.orientation}')
            elif keeps_size:
                fix = 'check that the annotations fit the image as stored, and save it without EXIF'
                note(WARNING, 'that EXIF would turn, and that the run takes as stored', fix, path)
            else:
                note(NOTE, 'on their side by EXIF, taken the way that fits the annotations', '', path)
        if (
            scan.bands is None and header.mode not in USUAL_MODES and not header.mode.startswith(('I', 'F'))
        ):  # those are measured
            note(NOTE, f'of the mode {header.mode}, read as 8-bit RGB', '', path)
        if not _is_format_of_suffix(path, header):
            note(NOTE, 'of another format than the name says', '', path, header.format)
    for (level, message, fix), entries in faults.items():
        paths, items = zip(*entries, strict=True)
        yield Finding(level, split.name, f'{count_of(paths, "image")} {message}', fix, items, paths)


def _is_format_of_suffix(path: str, header: ImageHeader) -> bool:
    if path.lower().endswith('.json'):  # of LabelMe, with the image in it
        return True
    if header.format == 'NPY':
        return path.lower().endswith('.npy')
    of_suffix = Image.registered_extensions().get(os.path.splitext(path)[1].lower())
    return header.format in (of_suffix, 'MPO')  # MPO: a JPEG with a preview, from cameras


def find_copies(splits: Sequence[SplitRecords], scans: Sequence[Sequence[ImageScan]]) -> Iterable[Finding]:
    """Find identical image files: in both splits, with different labels, or within one split."""
    first: dict[bytes, tuple[str, ImageRecord]] = {}
    shared: list[tuple[str, str]] = []
    contradictory: list[tuple[str, str]] = []
    repeated: dict[str, list[tuple[str, str]]] = {split.name: [] for split in splits}
    for split, of_split in zip(splits, scans, strict=True):
        for image, scan in zip(split.images, of_split, strict=True):
            if scan.header is None:
                continue
            name, original = first.setdefault(scan.digest, (split.name, image))
            if original is image:
                continue
            pair = (image.path, original.path)
            if name != split.name:
                shared.append(pair)
            else:
                repeated[name].append(pair)
            if image.label != original.label:
                contradictory.append(pair)
    kinds = [
        (PROBLEM, '', 'that val shares with train: its results will look better than they are', shared),
        (WARNING, '', 'in two classes', contradictory),
        *((NOTE, name, 'with the content of another one', pairs) for name, pairs in repeated.items()),
    ]
    for level, name, message, pairs in kinds:
        if pairs:
            fix = '' if level == NOTE else 'remove one of each pair'
            items = [f'{copy} = {original}' for copy, original in pairs]
            images = [copy for copy, _ in pairs]
            yield Finding(level, name, f'{count_of(pairs, "image")} {message}', fix, items, images)


def find_unsupported_formats(split: str, folder: Path) -> Iterable[Finding]:
    """Find images under a folder in unsupported formats."""
    left_out = [file for file in find_files(folder).files if file.lower().endswith(UNSUPPORTED)]
    if left_out:
        message = f'{count_of(left_out, "image")} in a format that is not read'
        yield Finding(WARNING, split, message, f'save them as one of {", ".join(EXTENSIONS)}', left_out)


def find_stray_files(split: str, left_out: Sequence[str]) -> Iterable[Finding]:
    """Note the hidden files and folders, those of other programs, and links in circles that are left out."""
    if left_out:
        yield Finding(NOTE, split, describe_left_out(left_out), '', left_out)
