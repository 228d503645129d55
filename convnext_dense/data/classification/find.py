"""Find the splits, classes and images of an image folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import NoData, UserError
from ..class_choice import ClassChoice, describe_choice
from ..image_files import (
    EXTENSIONS,
    FoundFiles,
    find_files,
    images_in,
    stray_subfolders,
    subfolders,
)
from ..layouts import IMAGE_FOLDER, IMAGE_SPLITS, hint
from ..text import count_of, shortened
from .image_list import EXPECTED, find_list, flat_images, read_list

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


def find_split(root: str | Path, split: str) -> Path | None:
    """Find the folder of a split: ``train`` or ``val`` or, if there is none, one of another common name.

    A folder ``test`` is for ``'val'`` only if it has classes of the training images, or a list of classes.

    Args:
        root: the image folder.
        split: ``'train'`` or ``'val'``.

    Returns:
        None if there is none.

    Raises:
        UserError: if there are two of equal rank, such as ``valid`` and ``validation``.
    """
    root, present = Path(root), subfolders(root)
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
    train = find_split(root, 'train')
    known = set(subfolders(train)) if train else set(subfolders(folder))
    return bool(known & set(subfolders(folder))) or bool(flat_images(folder) and find_list(root, folder))


def scan_classes(root: str | Path) -> list[str]:
    """List the classes of an image folder: the sorted folder names in ``train``, or in ``val`` if there is no other.

    Raises:
        NoData: if there are no class folders in this layout.
        UserError: if ``val`` has a class that ``train`` lacks.
    """
    root = Path(root)
    train, val = find_split(root, 'train'), find_split(root, 'val')
    first = train or val
    if first is None:
        raise _no_data(root / 'train' if root.is_dir() else root, root)
    classes = subfolders(first)
    if not classes:
        raise NoData(
            f'{first} has no class folders{_flat(first)}: expected {LAYOUT}{_prefixed(hint(root, IMAGE_FOLDER))}'
        )
    _check_nesting(first, classes)
    if train and val and not _is_flat(val, classes):
        check_known(val, classes, train)
    return classes


def files_by_class(root: str | Path, split: str, classes: Sequence[str]) -> ClassFiles:
    """List the images of each class.

    A class may be absent from ``val``, not from ``train``. Images that are directly in the folder of the split have
    their classes from a list, see :mod:`.image_list`, if there are no class folders.

    Args:
        root: the image folder.
        split: ``'train'`` or ``'val'``.
        classes: the classes from :func:`scan_classes`.

    Raises:
        NoData: if the split does not exist or has no images.
        UserError: for a class folder that is not in ``classes``, and a faulty list.
    """
    root = Path(root)
    folder = find_split(root, split)
    if folder is None:
        raise _no_data(root / split, root)
    notes = [] if folder.name == split else [f'{folder} is taken for {split}']
    if split == 'val' and _is_flat(folder, classes):
        images, file = flat_images(folder), find_list(root, folder)
        if file is None:
            raise NoData(
                f'{folder} holds {len(images)} images that are in no class folder, and no list of their classes: '
                f'expected {LAYOUT}, or {EXPECTED}'
            )
        listed = read_list(file, images, classes)
        files_of: list[list[str]] = [[] for _ in classes]
        for image in images:
            files_of[listed.labels[image]].append(image)
        return ClassFiles(folder, files_of, [], [*notes, listed.note], [])
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


def check_known(folder: Path, classes: Sequence[str], train: Path | None = None) -> None:
    """Check that all class folders of a split are among the classes.

    Args:
        folder: the folder of the split.
        classes: the known classes.
        train: the folder that they are from, or None for those of a checkpoint or of another root.

    Raises:
        UserError: if a class is unknown; the message has the names.
    """
    unknown = sorted(set(subfolders(folder)) - set(classes))
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
        or _unsplit(root)
        or 'give another root with --data PATH, or take --data sample, which needs no data'
    )
    return NoData(f'no data at {folder}: expected {LAYOUT} under {root}; {fix}')


def _unsplit(root: Path) -> str:
    """Return advice for class folders that are in no split, or an empty string."""
    classes = [name for name in subfolders(root) if images_in(root / name)]
    if not classes:
        return ''
    return (
        f'{root} holds class folders ({shortened(classes, 3)}) that are in no split: move them into {root / "train"}, '
        f'and some images of each into the same folder in {root / "val"}'
    )


def _flat(folder: Path) -> str:
    images = images_in(folder)
    return f', but {count_of(images, "image")} directly in it' if images else ''


def _prefixed(advice: str) -> str:
    return f'; {advice}' if advice else ''
