"""Find the input files of a demo and name its output files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from ..data.image_files import EXTENSIONS, find_files, is_stray
from ..errors import UserError
from ..io.files import check_input
from ..io.video import VIDEO_EXTENSIONS

RESULTS = 'results.json'
IMAGES = 'images.json'  # images and categories of a detector's results, as in a COCO file
JPEG_EXTENSIONS = ('.jpg', '.jpeg', '.jpe', '.jfif')


def is_video(path: Path) -> bool:
    """Check by its suffix whether a file is a video."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


class Inputs(NamedTuple):
    """The input files of a demo."""

    files: list[Path]
    """Images and videos, without duplicates."""
    errors: list[UserError]
    """An error for each name, pattern or folder without files."""
    left_out: list[str]
    """Stray files and folders; see :func:`~convnext_dense.data.image_files.find_files`."""


def find_inputs(names: Sequence[str], out_dir: Path) -> Inputs:
    """Find all input files, without duplicates.

    Images in ``out_dir`` are skipped when a folder that contains it is searched, since an earlier demo wrote them.
    Stray files are skipped in folders and patterns, unless a pattern has their name.

    Args:
        names: files, glob patterns, and folders, which are searched for images.
        out_dir: the folder of the outputs.

    Raises:
        UserError: the first of the errors, if there is no file at all.
    """
    inputs: dict[str, Path] = {}
    errors: list[UserError] = []
    left_out: list[str] = []
    for name in names:
        try:
            for file in _files_of(name, out_dir, left_out):
                inputs.setdefault(os.path.realpath(file), Path(file))
        except UserError as error:
            errors.append(error)
    if errors and not inputs:
        raise errors[0]
    return Inputs(list(inputs.values()), errors, left_out)


def _files_of(name: str, out_dir: Path, left_out: list[str]) -> list[str]:
    """List the files, at least one, of a name, pattern or folder, and add the stray ones to ``left_out``."""
    check_input(name)
    if os.path.isdir(name):
        found = find_files(name)
        left_out += found.left_out
        files = found.images
        if _inside(out_dir, Path(name)):
            files = [file for file in files if not _inside(Path(file), out_dir)]
        if not files:
            others = found.describe_others()
            raise UserError(
                f'folder {name} holds no images ({", ".join(EXTENSIONS)}){f", but {others}" if others else ""}: '
                'name another'
            )
        return files
    if os.path.exists(name):
        return [name]
    given = set(Path(name).parts)
    fitting = sorted(file for file in glob.glob(name, recursive=True) if os.path.isfile(file))
    stray = [file for file in fitting if any(is_stray(part) and part not in given for part in Path(file).parts)]
    left_out += stray
    files = [file for file in fitting if file not in set(stray)]
    if not files:
        raise UserError(f'no file fits {name}: check the pattern')
    return files


def name_outputs(inputs: Sequence[Path], out_dir: Path, extra_files: Sequence[str] = ()) -> dict[Path, list[Path]]:
    """Name the output files of each input: unique, and different from all inputs, :data:`RESULTS` and :data:`IMAGES`.

    An output has its input's name; if that name is taken, the name of the input's folder or a number is added.

    Args:
        inputs: images and videos.
        out_dir: the folder of the outputs.
        extra_files: endings of an image's files besides its drawing; see :class:`~convnext_dense.tasks.Task`.

    Returns:
        For an image, its drawing and its extra files; for a video, the drawn video and the JSON file of its results.
    """
    taken = {_key(path) for path in (*inputs, out_dir / RESULTS, out_dir / IMAGES)}
    named = {}
    for path in inputs:
        if is_video(path):
            endings = ['.mp4', '.json']
        else:
            drawn = '.jpg' if path.suffix.lower() in JPEG_EXTENSIONS else '.png'
            endings = [drawn, *extra_files]
        choices = ([out_dir / f'{stem}{ending}' for ending in endings] for stem in _stems(path))
        named[path] = next(files for files in choices if taken.isdisjoint(map(_key, files)))
        taken.update(map(_key, named[path]))
    return named


def _stems(path: Path) -> Iterator[str]:
    """Yield candidate names for the outputs of an input, the best first, endlessly."""
    yield path.stem
    stem = f'{path.resolve().parent.name}_{path.stem}'
    yield stem
    for number in count(2):
        yield f'{stem}_{number}'


def _key(path: Path) -> str:
    """Return a key that is equal for all paths to the same file, even on case-insensitive file systems."""
    return os.path.realpath(path).casefold()


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents
