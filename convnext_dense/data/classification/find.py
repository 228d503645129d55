"""Find the splits, classes and images of an image folder, or of lists of images with their classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ..class_choice import ClassChoice, describe_choice
from ..formats import FORMATS, find_in_formats
from ..image_files import (
    EXTENSIONS,
    FoundFiles,
    find_files,
    has_images,
    images_in,
    stray_subfolders,
    subfolders,
)
from ..layouts import IMAGE_FOLDER, IMAGE_SPLITS, data_flag, hint
from ..text import count_of, shortened
from .image_list import EXPECTED, find_list, flat_images, read_list
from .layout import AS_FOUND, FOLDERS, NOT_CLASSES, Layout, Reading, find_layout, has_classes
from .listed import has_split, list_images, listed_classes

LAYOUT = 'train/<class>/*.jpg and val/<class>/*.jpg'


class ClassFiles(NamedTuple):
    """The images of a split by class."""

    folder: Path
    """The folder of the split."""
    files: list[list[str]]
    """Paths of the images of each class."""
    empty: list[Path]
    """Class folders without images."""
    notes: list[str]
    """What was taken for what, one line each."""
    left_out: list[str]
    """Paths of stray files and folders; see :func:`~convnext_dense.data.image_files.find_files`."""
    doubts: Sequence[str] = ()
    """What speaks against the classes, for warnings."""


def find_split(root: str | Path, split: str, reading: Reading = AS_FOUND) -> Path | None:
    """Find the folder of a split: ``train`` or ``val`` or, if there is none, one of another common name; or its list.

    A folder ``test`` is for ``'val'`` only if it has classes of the training images, or a list of classes. Class
    folders in no split are for ``'train'``, and so is a list of a whole data set.

    Args:
        root: the image folder, or lists; see :func:`~.listed.find_lists`.
        split: ``'train'`` or ``'val'``.
        reading: how it is read.

    Returns:
        None if there is none.

    Raises:
        UserError: if there are two of equal rank, such as ``valid`` and ``validation``, or several ways to read it.
    """
    layout = find_layout(root, reading)
    if layout.lists is not None and has_split(layout.lists, split, reading.label_column):
        return layout.lists.files.get(split, layout.lists.files['train'])
    if layout.classes is not None:
        return Path(root) if split == 'train' else None
    folder = _split_folder(Path(root), split)
    if layout.lists is not None and folder is not None and not has_classes(folder):
        return None
    return folder


def _split_folder(root: Path, split: str) -> Path | None:
    present = subfolders(root)
    for rank, names in enumerate(IMAGE_SPLITS[split]):
        fitting = [name for name in present if name.lower() in names]
        fitting = [name for name in fitting if name == split] or fitting
        if rank:
            fitting = [name for name in fitting if _has_ground_truth(root, root / name, strict=name.lower() == 'test')]
        if len(fitting) > 1:
            raise UserError(
                f'{root} holds {" and ".join(f"{name}/" for name in fitting)}, which may both be for {split}: '
                f'rename the right one to {split}/'
            )
        if fitting:
            return root / fitting[0]
    return None


def _has_ground_truth(root: Path, folder: Path, strict: bool) -> bool:
    """Check whether a folder can be a split; ``strict`` requires known classes or a list of classes."""
    if not strict:
        return bool(subfolders(folder) or flat_images(folder))
    train = _split_folder(root, 'train')
    known = set(subfolders(train)) if train else set(subfolders(folder))
    return bool(known & set(subfolders(folder))) or bool(flat_images(folder) and find_list(root, folder))


def scan_classes(root: str | Path, reading: Reading = AS_FOUND) -> list[str]:
    """List the classes of an image folder: the sorted folder names in ``train``, or in ``val`` if there is no other.

    Those of class folders in no split are the folders, and those of lists see :func:`~.listed.listed_classes`.

    Raises:
        NoData: if there are no class folders in this layout.
        UserError: if ``val`` has a class that ``train`` lacks.
    """
    layout = find_layout(root, reading)
    if layout.lists is not None:
        return listed_classes(layout.lists, reading.label_column)
    if layout.classes is not None:
        return layout.classes
    root = Path(root)
    train, val = _split_folder(root, 'train'), _split_folder(root, 'val')
    first = train or val
    if first is None:
        raise _no_data(root / 'train' if root.is_dir() else root, root)
    classes = subfolders(first)
    if not classes:
        advice = hint(root, IMAGE_FOLDER) or _in_names(flat_images(first))
        raise NoData(f'{first} has no class folders{_flat(first)}: expected {LAYOUT}{_prefixed(advice)}')
    if reading.format is None and all(name.lower() in NOT_CLASSES for name in classes):
        which = 'is no class folder' if len(classes) == 1 else 'are no class folders'
        other = _annotated(root) or f'if they are, give --data-format {FOLDERS}'
        raise NoData(f'{first} holds {shortened(classes, 3)}, which {which}: expected {LAYOUT}; {other}')
    _check_nesting(first, classes)
    if train and val and not _is_flat(val, classes):
        check_known(val, classes, train)
    return classes


def files_by_class(root: str | Path, split: str, classes: Sequence[str], reading: Reading = AS_FOUND) -> ClassFiles:
    """List the images of each class.

    A class may be absent from ``val``, not from ``train``. Images that are directly in the folder of the split have
    their classes from a list, see :mod:`.image_list`, if there are no class folders.

    Args:
        root: the image folder.
        split: ``'train'`` or ``'val'``.
        classes: the classes from :func:`scan_classes`.
        reading: how the data set is read.

    Raises:
        NoData: if the split does not exist or has no images.
        UserError: for a class folder that is not in ``classes``, and a faulty list.
    """
    layout = find_layout(root, reading)
    if layout.lists is not None and (split == 'train' or has_split(layout.lists, split, reading.label_column)):
        listed = list_images(layout.lists, split, classes, reading.label_column)
        return ClassFiles(listed.folder, listed.files, [], listed.notes, [], listed.doubts)
    root = Path(root)
    if layout.classes is not None and split == 'train':
        return _unsplit_files(root, layout, classes)
    folder = _split_folder(root, split) if layout.lists is None else find_split(root, split, reading)
    if folder is None or layout.classes is not None:
        raise _no_data(root / split, root)
    notes = [] if folder.name == split else [f'{folder} is taken for {split}']
    if split == 'val' and _is_flat(folder, classes):
        images, file = flat_images(folder), find_list(root, folder)
        if file is None:
            raise NoData(
                f'{folder} holds {len(images)} images that are in no class folder, and no list of their classes: '
                f'expected {LAYOUT}, or {EXPECTED}'
            )
        known = read_list(file, images, classes)
        files_of: list[list[str]] = [[] for _ in classes]
        for image in images:
            files_of[known.labels[image]].append(image)
        return ClassFiles(folder, files_of, [], [*notes, known.note], [])
    check_known(folder, classes)
    folders = [folder / name for name in classes]
    found = [find_files(path) if path.is_dir() else FoundFiles() for path in folders]
    files_of = [of_class.images for of_class in found]
    if not any(files_of):
        others = FoundFiles([file for of_class in found for file in of_class.files]).describe_others()
        but = f', but {others}' if others else ''
        raise NoData(f'{folder} holds no images ({", ".join(EXTENSIONS)}){but}: expected {LAYOUT}')
    if loose := images_in(folder):
        notes.append(f'{count_of(loose, "image")} directly in {folder} left out: in no class folder')
    left_out = sorted([*stray_subfolders(folder), *(path for of_class in found for path in of_class.left_out)])
    pairs = zip(folders, files_of, strict=True)
    empty = [path for path, files in pairs if not files and (split == 'train' or path.is_dir())]
    return ClassFiles(folder, files_of, empty, notes, left_out)


def choose_files(
    found: ClassFiles, own: Sequence[str], classes: Sequence[str], choice: ClassChoice
) -> tuple[ClassFiles, str]:
    """Take the images of chosen classes, with those that are merged as one, and leave out all others.

    Args:
        found: the images of each of the folder's classes.
        own: names of the folder's classes.
        classes: names of the chosen classes by label; the folder may lack some.
        choice: the choice.

    Returns:
        The images by chosen class, and one line about what became of the folder's classes.

    Raises:
        UserError: if the choice takes a class that is not among ``classes``, or there is no image of any.
    """
    chosen = choice.apply(own)
    label_of = {name: label for label, name in enumerate(classes)}
    unknown = [name for name in chosen.names if name not in label_of]
    if unknown:
        raise UserError(
            f'{found.folder} has {count_of(unknown, "class", "classes")} that are not among the known ones '
            f'({shortened(list(classes))}): {shortened(unknown)}: leave them out, such as with --ignore-classes'
        )
    files: list[list[str]] = [[] for _ in classes]
    for new, of_class in zip(chosen.labels, found.files, strict=True):
        if new >= 0:
            files[label_of[chosen.names[new]]] += of_class
    used = {name for name, new in zip(own, chosen.labels, strict=True) if new >= 0}

    def amount(labels: Sequence[int]) -> str:
        return count_of(range(sum(len(found.files[label]) for label in labels)), 'image')

    line = describe_choice(choice, own, amount, 'are left out', 'are left out')
    if not any(files):
        raise UserError(f'{found.folder} has no image of a chosen class: {line}')
    empty = [folder for folder in found.empty if folder.name in used]
    return found._replace(files=files, empty=empty), line


def _unsplit_files(root: Path, layout: Layout, classes: Sequence[str]) -> ClassFiles:
    """List the images of class folders in no split."""
    assert layout.classes is not None
    check_known(root, classes, names=layout.classes)
    found = [find_files(root / name) if name in layout.classes else FoundFiles() for name in classes]
    notes = [f'the {count_of(layout.classes, "folder")} in {root}, which are in no split, are the classes']
    if layout.others:
        notes.append(f'left out in {root}: {shortened(layout.others)}, without images of a class')
    if loose := images_in(root):
        notes.append(f'{count_of(loose, "image")} directly in {root} left out: in no class folder')
    left_out = sorted([*stray_subfolders(root), *(path for of_class in found for path in of_class.left_out)])
    return ClassFiles(root, [of_class.images for of_class in found], [], notes, left_out)


def check_known(
    folder: Path, classes: Sequence[str], train: Path | None = None, names: Sequence[str] | None = None
) -> None:
    """Check that all class folders of a split are among the classes.

    Args:
        folder: the folder of the split.
        classes: the known classes.
        train: the folder that they are from, or None for those of a checkpoint or of another root.
        names: the class folders of the split; None for all folders in it.

    Raises:
        UserError: if a class is unknown; the message has the names.
    """
    unknown = sorted(set(subfolders(folder) if names is None else names) - set(classes))
    if not unknown:
        return
    inner = [name for name in subfolders(folder / unknown[0]) if name in set(classes)]
    if inner:
        raise UserError(
            f'{folder / unknown[0]} holds class folders ({shortened(inner, 3)}) one level deeper: '
            f'move them up into {folder}'
        )
    known = (
        f'that {train} does not have' if train else f'that is not among the known ones ({shortened(list(classes))})'
    )
    raise UserError(
        f'{folder / unknown[0]} is a class {known} ({len(unknown)} such: {shortened(unknown)}): '
        'add training images or remove it'
    )


def _is_flat(folder: Path, classes: Sequence[str]) -> bool:
    """Check whether a split has images, but no class folders."""
    return not set(subfolders(folder)) & set(classes) and bool(flat_images(folder))


def _check_nesting(folder: Path, classes: Sequence[str]) -> None:
    """Raise a UserError for a single class folder that holds the class folders, as in many archives."""
    inner = subfolders(folder / classes[0]) if len(classes) == 1 else []
    if len(inner) > 1 and not images_in(folder / classes[0]):
        raise UserError(
            f'{folder} holds one folder, {classes[0]}, with the folders {shortened(inner, 3)} in it: if these are the '
            f'classes, move them up into {folder}'
        )


def _no_data(folder: Path, root: Path) -> NoData:
    fix = (
        hint(root, IMAGE_FOLDER)
        or _annotated(root)
        or _deeper(root)
        or _in_names(images_in(root))
        or 'give another root with --data PATH, or take --data sample, which needs no data'
    )
    return NoData(f'no data at {folder}: expected {LAYOUT} under {root}; {fix}')


def _annotated(root: Path) -> str:
    """Return advice for a data set with boxes or masks, or an empty string."""
    try:
        found, _ = find_in_formats(root)
    except UserError:
        return ''
    titles = ' or '.join(FORMATS[name].title for name in found)
    return f'{root} holds boxes or masks of objects, in {titles}: take a config of a detector' if found else ''


def _deeper(root: Path) -> str:
    """Return advice for class folders that are in a folder of no split, or an empty string."""
    found = [name for name in subfolders(root) if len(_direct_classes(root / name)) > 1]
    if len(found) != 1:
        return ''
    inner = root / found[0]
    names = shortened(_direct_classes(inner), 3)
    return f'{root} holds class folders ({names}) one level deeper: give {data_flag(inner)}'


def _direct_classes(folder: Path) -> list[str]:
    return [name for name in subfolders(folder) if has_images(folder / name)]


def _in_names(images: Sequence[str]) -> str:
    """Return advice for images in no class folder, whose names may tell the classes, or an empty string."""
    if not images:
        return ''
    return (
        f'{os.path.dirname(images[0])} holds {count_of(images, "image")} in no class folder, such as '
        f'{os.path.basename(images[0])}: if the names tell the classes, write a list labels.csv there with the lines '
        'image,label'
    )


def _flat(folder: Path) -> str:
    images = flat_images(folder)
    return f', but {count_of(images, "image")} directly in it' if images else ''


def _prefixed(advice: str) -> str:
    return f'; {advice}' if advice else ''
