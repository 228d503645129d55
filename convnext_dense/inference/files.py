"""Which files a demo takes, and what it calls those it writes."""

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
    return path.suffix.lower() in VIDEO_EXTENSIONS


def find_inputs(names: Sequence[str], out_dir: Path) -> list[Path]:
    """The files that are meant, each once: those named, those that fit a pattern, all images under a folder.

    What lies in ``out_dir`` is passed over where a folder around it is named: it was drawn by an earlier demo.

    Raises:
        UserError: for a name, a pattern or a folder that gives no file.
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


def name_outputs(inputs: Sequence[Path], out_dir: Path, labels: bool) -> dict[Path, list[Path]]:
    """The files in ``out_dir`` that each input gives: none of them twice, none an input, none ``results.json``.

    For an image: it as drawn and, with ``labels``, its label map. For a video: it as drawn, and what was found in it.
    They are called as the input is; where that is taken, its folder's name or a number is added.
    """
    taken = {_key(path) for path in (*inputs, out_dir / RESULTS)}
    named = {}
    for path in inputs:
        if is_video(path):
            endings = ['.mp4', '.json']
        else:
            drawn = '.jpg' if path.suffix.lower() in ('.jpg', '.jpeg') else '.png'
            endings = [drawn, '_labels.png'] if labels else [drawn]
        choices = ([out_dir / f'{stem}{ending}' for ending in endings] for stem in _stems(path))
        named[path] = next(files for files in choices if taken.isdisjoint(map(_key, files)))
        taken.update(map(_key, named[path]))
    return named


def _stems(path: Path) -> Iterator[str]:
    yield path.stem
    stem = f'{path.resolve().parent.name}_{path.stem}'
    yield stem
    for number in count(2):
        yield f'{stem}_{number}'


def _key(path: Path) -> str:
    """Equal for names of one file, also where upper and lower case are the same to the file system."""
    return os.path.realpath(path).casefold()


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents
