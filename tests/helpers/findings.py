"""Findings of a data check, for tests to compare."""

import os
from pathlib import Path

from PIL import Image

from convnext_dense.data.check import CheckResult


def found(checked: CheckResult, level: str) -> dict[str, list[str]]:
    """Messages of one level, each with the names of the files or annotations it is about."""
    return {
        f'{f.split}: {f.message}': [os.path.basename(str(item).split(' ')[0]) for item in f.items]
        for f in checked.findings
        if f.level == level
    }


def turn(path: Path, orientation: int) -> None:
    """Give an image EXIF that says how to turn it."""
    with Image.open(path) as image:
        exif = image.getexif()
        exif[274] = orientation
        image.save(path, exif=exif, quality=95)
