"""The error for a folder without annotations in a known format: what is read, and what may be meant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ...errors import NoData, UserError
from ..image_files import images_in, subfolders
from ..layouts import COCO, Layout, hint
from .base import Format
from .coco_find import other_files
from .label_studio import describe_label_studio

PARTS = (
    *('images', 'image', 'imgs', 'img', 'JPEGImages', 'data', 'labels', 'ImageSets'),
    *('annotations', 'annotation', 'Annotations', 'ann'),
    *('train', 'train[_0-9]*', 'training', 'val', 'val[_0-9]*', 'valid', 'validation', 'test', 'test20*', 'testing'),
)
"""Names of folders in a data set's root, with wildcards."""
OTHER_ROOT = 'give another root with --data PATH, or take --data sample, which needs no data'
MOST_FOLDERS = 20
"""Maximum number of folders that are searched for images."""


def no_data(root: str, formats: Mapping[str, Format]) -> NoData:
    """Return the error for a path where no format has found data.

    Args:
        root: the path.
        formats: the formats by name, among them one alone if it was chosen.
    """
    path = Path(root)
    if not path.exists():
        return NoData(f'no data at {root}, which does not exist: {OTHER_ROOT}')
    what, expected = 'data', f'annotations of {_titles(formats)}'
    if len(formats) == 1:
        (one,) = formats.values()
        what, expected = f'{one.title} data', one.expected
    if not path.is_dir():
        advice = (said := describe_label_studio(path)) and f'; {said}'
        return NoData(f'no {what} at {root}: expected a folder, or a file of {_titles(formats)}{advice}')
    others = other_files(path) if 'coco' in formats else ''
    advice = describe_label_studio(path) or hint(path, _layout(formats)) or others or _images_alone(path) or OTHER_ROOT
    return NoData(f'no {what} at {root}: expected {expected}; {advice}')


def _titles(formats: Mapping[str, Format]) -> str:
    titles = [one.title for one in formats.values()]
    return ' or '.join([', '.join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _layout(formats: Mapping[str, Format]) -> Layout:
    return Layout('a data set', COCO.config, PARTS, partial(_fits, formats))


def _fits(formats: Mapping[str, Format], folder: Path) -> bool:
    return any(COCO.fits(folder) if name == 'coco' else _finds(one, folder) for name, one in formats.items())


def _finds(one: Format, folder: Path) -> bool:
    try:
        return one.find(folder) is not None
    except UserError:
        return False


def _images_alone(root: Path) -> str:
    folders = [root, *(root / name for name in subfolders(root)[:MOST_FOLDERS])]
    folder = next((folder for folder in folders if images_in(folder)), None)
    if folder is None:
        return ''
    return f'{folder} holds images, and no annotations of them are beside it: add those, or give the folder of both'
