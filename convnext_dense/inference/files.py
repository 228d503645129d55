"""Files of a demo: finding its inputs, and naming its outputs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from ..data.image_files import EXTENSIONS, images_under
from ..errors import UserError
from ..io.video import VIDEO_EXTENSIONS

RESULTS = 'results.json'


def is_video(path: Path) -> bool:
    """Whether the file is a video, by its suffix."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def find_inputs(names: Sequence[str], out_dir: Path) -> list[Path]:
    """Find the inputs, each once: files by name, files that match a pattern, and all images under a folder.

    Images in ``out_dir`` are left out of a folder around it, since an earlier demo has drawn them.

    Raises:
        UserError: if a name, a pattern or a folder gives no file.
    """
    found: dict[str, Path] = {}
    for name in names:
        if os.path.isdir(name):
            files = images_under(Path(name))
            if _inside(out_dir, Path(name)):
                files = [file for file in files if not _inside(Path(file), out_dir)]
            if not files:
                raise UserError(f'folder {name} holds no images ({", ".join(EXTENSIONS)}): name another')
        elif os.path.exists(name):
            files = [name]
        elif glob.has_magic(name):
            files = sorted(file for file in glob.glob(name, recursive=True) if os.path.isfile(file))
            if not files:
                raise UserError(f'no file fits {name}: check the pattern')
        else:
            raise UserError(f'no image, folder or video at {name}: check the path')
        for file in files:
            found.setdefault(os.path.realpath(file), Path(file))
    return list(found.values())


def name_outputs(inputs: Sequence[Path], out_dir: Path, extra_files: Sequence[str] = ()) -> dict[Path, list[Path]]:
    """Name the files in ``out_dir`` that each input gives: none of them twice, none an input, none ``results.json``.

    They are called as the input; where that name is taken, the name of its folder or a number is added.

    Args:
        inputs: images and videos.
        out_dir: the folder of the outputs.
        extra_files: endings of the files beside the drawing of an image; see :class:`~convnext_dense.tasks.Task`.

    Returns:
        For an image, its drawing and its extra files; for a video, the drawn video and the JSON file of its results.
    """
    taken = {_key(path) for path in (*inputs, out_dir / RESULTS)}
    named = {}
    for path in inputs:
        if is_video(path):
            endings = ['.mp4', '.json']
        else:
            drawn = '.jpg' if path.suffix.lower() in ('.jpg', '.jpeg') else '.png'
            endings = [drawn, *extra_files]
        choices = ([out_dir / f'{stem}{ending}' for ending in endings] for stem in _stems(path))
        named[path] = next(files for files in choices if taken.isdisjoint(map(_key, files)))
        taken.update(map(_key, named[path]))
    return named


def _stems(path: Path) -> Iterator[str]:
    """Names for the outputs of an input, the best first, without an end."""
    yield path.stem
    stem = f'{path.resolve().parent.name}_{path.stem}'
    yield stem
    for number in count(2):
        yield f'{stem}_{number}'


def _key(path: Path) -> str:
    """A key that is equal for all names of one file, also on file systems that ignore upper and lower case."""
    return os.path.realpath(path).casefold()


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents
