"""Ids of images in COCO's results files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ..errors import UserError
from ..io.coco_format import CocoImage


def read_image_ids(file: str | Path, paths: Sequence[str], names: bool = False) -> dict[str, int | str]:
    """Read the ids of images from a COCO file, whose ``annotations`` are not needed.

    An image is found by its file name, with the folders that the file names, or else by a name that is unique there.

    Args:
        file: the COCO file.
        paths: paths of the images.
        names: ids may be texts, too, as in panoptic files.

    Returns:
        The id of each image by its path.

    Raises:
        UserError: if the file can't be read, an image is not in it, or two have the same entry.
    """
    named = defaultdict(list)
    for entry in _read_images(file, names):
        parts = PurePosixPath(entry['file_name'].replace('\\', '/')).parts
        named[parts[-1]].append((parts, entry['id']))
    ids: dict[str, int | str] = {}
    absent: list[str] = []
    for path in paths:
        own = Path(path).resolve().parts
        of_name = named[own[-1]]
        fitting = [number for parts, number in of_name if own[-len(parts) :] == parts] or [n for _, n in of_name]
        if len(fitting) == 1:
            ids[path] = fitting[0]
        else:
            absent.append(path)
    if absent:
        raise UserError(
            f'{len(absent)} of {len(paths)} images are not in {file}, or not once ({", ".join(absent[:3])}): leave '
            'them out, or take test --out-predictions, which predicts for the images of the file'
        )
    if len(set(ids.values())) < len(ids):
        path_of: dict[int | str, str] = {}
        for path, number in ids.items():
            if number in path_of:
                raise UserError(f'{path_of[number]} and {path} are one image in {file}: leave one out')
            path_of[number] = path
    return ids


def number_images(paths: Iterable[str]) -> dict[str, int | str]:
    """Number images from 1 in their order; returns the id of each by its path."""
    return {path: number for number, path in enumerate(paths, start=1)}


def _read_images(file: str | Path, names: bool) -> list[CocoImage]:
    try:
        content = json.loads(Path(file).read_bytes())
    except OSError as error:
        raise UserError(f'{file} cannot be read ({error.strerror}): check the path') from None
    except (ValueError, RecursionError) as error:
        raise UserError(f'{file} is not JSON ({error}): give a COCO file') from None
    images = content.get('images') if isinstance(content, dict) else None
    if not isinstance(images, list) or not images:
        raise UserError(f'{file} has no images: give a COCO file')
    for place, entry in enumerate(images, start=1):
        known = isinstance(entry, dict) and isinstance(entry.get('file_name'), str)
        kinds = (int, str) if names else (int,)
        if not known or not entry['file_name'] or type(entry.get('id')) not in kinds:
            kind = 'an integer or a text' if names else 'an integer'
            raise UserError(f'{file}: number {place} of its images has no file_name or no id that is {kind}')
    return images
