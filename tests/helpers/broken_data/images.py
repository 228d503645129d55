"""Mutations of any image of any data set."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from .mutation import Mutation


def images_of(root: Path, part: str = '') -> list[Path]:
    return sorted(path for path in root.rglob('*.png') if 'annotations' not in path.parts and part in str(path))


def on_an_image(change: Callable[[Path, Random], None]) -> Mutation:
    def mutation(root: Path, random: Random) -> None:
        paths = images_of(root)
        if paths:
            change(random.choice(paths), random)

    mutation.__name__ = change.__name__
    return mutation


@on_an_image
def truncated_image(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


@on_an_image
def web_page_instead_of_an_image(path: Path, random: Random) -> None:
    path.write_text('<!DOCTYPE html><html>404</html>')


@on_an_image
def image_removed(path: Path, random: Random) -> None:
    path.unlink()


@on_an_image
def gray_image(path: Path, random: Random) -> None:
    _convert(path, random.choice(['L', '1', 'P', 'LA', 'RGBA']))


@on_an_image
def jpeg_with_the_name_of_a_png(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.convert('RGB').save(path, 'jpeg')


@on_an_image
def sixteen_bit_image(path: Path, random: Random) -> None:
    """All 16 bits are used."""
    with Image.open(path) as image:
        gray = np.asarray(image.convert('L'), np.uint16)
    Image.fromarray(gray * 257).save(path)


@on_an_image
def twelve_bit_image(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        gray = np.asarray(image.convert('L'), np.uint16)
    Image.fromarray(gray * 16).save(path)


@on_an_image
def enlarged_image(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.resize((image.width + 8, image.height)).save(path)


@on_an_image
def rotated_by_exif(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = random.randint(2, 8)
        image.save(path, exif=exif)


@on_an_image
def copied_image(path: Path, random: Random) -> None:
    paths = images_of(path.parents[1])
    shutil.copy(path, random.choice(paths)) if len(paths) > 1 else None


@on_an_image
def hidden_files(path: Path, random: Random) -> None:
    """Files that a system or an editor leaves beside the images."""
    for name in ('._' + path.name, '.DS_Store', 'Thumbs.db', '.ipynb_checkpoints/' + path.name, '@eaDir/' + path.name):
        other = path.parent / name
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b'\0\1\2') if random.random() < 0.5 else shutil.copy(path, other)


@on_an_image
def folder_that_links_to_itself(path: Path, random: Random) -> None:
    if not (path.parent / 'again').exists():
        os.symlink('.', path.parent / 'again')


@on_an_image
def image_in_another_format(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        image.convert('RGB').save(path.with_suffix(random.choice(['.gif', '.jfif', '.tif', '.bmp'])))
    path.unlink()


@on_an_image
def extension_in_capitals(path: Path, random: Random) -> None:
    path.rename(path.with_suffix('.PNG'))


def _convert(path: Path, mode: str) -> None:
    with Image.open(path) as image:
        image.convert(mode).save(path)


IMAGES: list[Mutation] = [
    truncated_image, web_page_instead_of_an_image, image_removed, gray_image, jpeg_with_the_name_of_a_png,
    sixteen_bit_image, twelve_bit_image, enlarged_image, rotated_by_exif, copied_image, hidden_files,
    folder_that_links_to_itself, image_in_another_format, extension_in_capitals,
]  # fmt: skip
