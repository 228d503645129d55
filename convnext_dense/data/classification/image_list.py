"""Read the classes of images in one flat folder from a list, as for ImageNet's validation images.

Such lists are Caffe's ``val.txt``, Kaggle's ``LOC_val_solution.csv``, Tiny ImageNet's ``val_annotations.txt``, the
labels of TensorFlow's scripts, and the ground truth of ImageNet's development kit.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import UserError
from ..image_files import images_in, subfolders
from ..text import count_of, shortened

GROUND_TRUTH, META = 'ILSVRC2012_validation_ground_truth.txt', 'meta.mat'  # of ImageNet's development kit
LIST_NAMES = (
    *('val.txt', 'val.csv', 'valid.txt', 'valid.csv', 'validation.txt', 'validation.csv', 'val_annotations.txt'),
    *('LOC_val_solution.csv', 'imagenet_2012_validation_synset_labels.txt', GROUND_TRUTH),
)
EXPECTED = 'a list such as val.txt with the name and the class of an image on each line'
INNER_FOLDERS = ('images', 'image', 'data')
"""Names, in lowercase, of a folder that holds all images of a flat split."""


class ImageList(NamedTuple):
    """Images with their labels from a list."""

    labels: dict[str, int]
    """Label of each image by its path."""
    note: str
    """What the labels in the list mean, and what was left out, in one line."""


def flat_images(folder: Path) -> list[str]:
    """List the images of a folder without subfolders, or of its only subfolder ``images``; empty for any other."""
    inner = subfolders(folder)
    if not inner:
        return images_in(folder)
    return images_in(folder / inner[0]) if len(inner) == 1 and inner[0].lower() in INNER_FOLDERS else []


def find_list(root: Path, folder: Path) -> Path | None:
    """Find the list of a flat folder's classes: in the folder, the root, its ``meta``, or a development kit.

    Kaggle's is in a folder above the root, ``ILSVRC/Data/CLS-LOC``.

    Raises:
        UserError: if there are several.
    """
    kits = [root / name / part for name in subfolders(root) if 'devkit' in name.lower() for part in ('data', '.')]
    own = [f'{folder.name}{ending}' for ending in ('.txt', '.csv', '_annotations.txt')]
    names = list(dict.fromkeys([*own, *LIST_NAMES]))
    found = [place / name for place in (folder, root, root / 'meta', root / 'data', *kits) for name in names]
    found += [above / 'LOC_val_solution.csv' for above in list(root.resolve().parents)[:3]]
    files = list({os.path.realpath(file): file for file in found if file.is_file()}.values())
    if len(files) > 1:
        raise UserError(f'{folder} has several lists of classes ({", ".join(map(str, files))}): remove all but one')
    return files[0] if files else None


def read_list(file: Path, images: Sequence[str], classes: Sequence[str]) -> ImageList:
    """Read the labels of images from a list.

    Each line has the name of an image, with or without folder and suffix, and its class: the name of a class or, if no
    class of that name exists, its index in ``classes``, counted from 0. Columns are separated by tabs, commas or
    blanks; further ones are ignored. Or each line has only the class, in the order of the images' names. The numbers
    in the ground truth of ImageNet's development kit are ids of its ``meta.mat``, which must be beside it.

    Args:
        file: the list.
        images: paths of the images, sorted.
        classes: the K class names.

    Raises:
        UserError: for an image without a class or with two, an unknown class, and numbers of unknown meaning.
    """
    rows = _rows(file)
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(images):
            raise UserError(f'{file} has {len(rows)} lines for {len(images)} images: it must have one for each')
        texts, extra = {image: row[0] for image, row in zip(images, rows, strict=True)}, 0
    else:
        texts, extra = _by_image(file, rows, images)
    labels, meaning = _labels(file, texts, classes, one_column=len(rows[0]) == 1)
    are_for = 'is for an image that is' if extra == 1 else 'are for images that are'
    left_out = f'; {extra} of its lines {are_for} not there' if extra else ''
    return ImageList(labels, f'{len(labels)} images have their classes from {file}{meaning}{left_out}')


def _rows(file: Path) -> list[list[str]]:
    try:
        lines = [line.strip() for line in file.read_text(encoding='utf-8-sig').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{file} cannot be read ({error}): save it as UTF-8 text') from None
    if not lines:
        raise UserError(f'{file} is empty: write the name and the class of an image on each line')
    return [_columns(line) for line in lines]


def _columns(line: str) -> list[str]:
    for separator in ('\t', ',', ';'):
        if separator in line:
            return [column.strip() for column in line.split(separator)]
    return line.rsplit(None, 1)


def _by_image(file: Path, rows: Sequence[Sequence[str]], images: Sequence[str]) -> tuple[dict[str, str], int]:
    """Return the text of the class by image, and the number of lines for other images."""
    path_of = {os.path.basename(image): image for image in images}
    stems = Counter(os.path.splitext(name)[0] for name in path_of)
    path_of |= {stem: path for name, path in path_of.items() if stems[stem := os.path.splitext(name)[0]] == 1}
    texts: dict[str, str] = {}
    extra = 0
    for place, row in enumerate(rows, 1):
        path = path_of.get(os.path.basename(row[0].replace('\\', '/')))
        if path is None or len(row) < 2 or not row[1]:
            extra += place > 1 or len(row) < 2 or row[1].isdecimal()  # the first line may have the columns' names
            continue
        text = row[1].split()[0] if file.name == 'LOC_val_solution.csv' else row[1]
        if texts.setdefault(path, text) != text:
            raise UserError(f'{file} has two classes for {os.path.basename(path)} ({texts[path]}, {text}): keep one')
    absent = [os.path.basename(image) for image in images if image not in texts]
    if absent:
        raise UserError(
            f'{file} has no class for {count_of(absent, "image")} of {len(images)} in {os.path.dirname(images[0])} '
            f'({shortened(absent, 3)}): add them, or remove the images'
        )
    return texts, extra


def _labels(
    file: Path, texts: Mapping[str, str], classes: Sequence[str], one_column: bool
) -> tuple[dict[str, int], str]:
    """Return the label of each image, and what the texts mean."""
    label_of = {name: label for label, name in enumerate(classes)}
    meaning = ''
    if file.name == GROUND_TRUTH and all(text.isdecimal() for text in texts.values()):
        names = _read_meta(file.with_name(META))
        texts = {image: names.get(int(text), text) for image, text in texts.items()}
        meaning = f', whose numbers are ids in {META}'
    unknown = sorted(set(texts.values()) - label_of.keys())
    if not unknown:
        return {image: label_of[text] for image, text in texts.items()}, meaning
    if not all(text.isdecimal() for text in texts.values()):
        raise UserError(
            f'{file} has {count_of(unknown, "class", "classes")} that train does not have ({shortened(unknown)}): '
            'add training images or remove the lines'
        )
    numbers = {image: int(text) for image, text in texts.items()}
    if one_column or max(numbers.values()) >= len(classes):
        raise UserError(
            f'{file} has the numbers {min(numbers.values())} to {max(numbers.values())}, which are no indices of the '
            f'{len(classes)} classes, 0 to {len(classes) - 1} in the order of their names: write the names of the '
            'class folders'
        )
    return numbers, f', where 0 is {classes[0]} and {len(classes) - 1} is {classes[-1]}'


def _read_meta(file: Path) -> dict[int, str]:
    """Read the names of ImageNet's class folders by their ids in the development kit's ``meta.mat``."""
    if not file.is_file():
        raise UserError(
            f'the numbers in {file.with_name(GROUND_TRUTH)} are ids of {META}, which is not beside it: put it there, '
            f'or write {EXPECTED}'
        )
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise UserError(f'{file} needs scipy to be read: pip install scipy') from None
    try:
        synsets = loadmat(file, squeeze_me=True)['synsets']
        return {int(synset[0]): str(synset[1]) for synset in synsets if not int(synset[4])}  # without inner nodes
    except Exception as error:  # scipy raises many types for broken files
        raise UserError(f'{file} cannot be read ({" ".join(str(error).split())}): get it again') from None
