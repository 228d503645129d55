"""Find the classes and images of an image folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import NoData, UserError
from ..image_files import EXTENSIONS, images_under
from ..layouts import IMAGE_FOLDER, hint, subfolders
from ..text import shortened

LAYOUT = 'train/<class>/*.jpg and val/<class>/*.jpg'
OTHER_NAMES = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'val'}
"""Our names of the splits' folders by common other names, in lowercase."""


def scan_classes(root: str | Path) -> list[str]:
    """List the classes of an image folder: the sorted folder names in ``train``, or in ``val`` if there is no other.

    Raises:
        NoData: if there are no class folders in this layout.
        UserError: if ``val`` has a class that ``train`` lacks.
    """
    root = Path(root)
    splits = [root / split for split in ('train', 'val') if (root / split).is_dir()]
    if not splits:
        raise _no_data(root / 'train' if root.is_dir() else root, root)
    classes = subfolders(splits[0])
    if not classes:
        fix = hint(root, IMAGE_FOLDER)
        raise NoData(f'{splits[0]} has no class folders: expected {LAYOUT}{fix and "; "}{fix}')
    unknown = sorted(set(subfolders(splits[-1])) - set(classes))
    if unknown:
        raise UserError(
            f'{root / "val" / unknown[0]} is a class that {root / "train"} does not have '
            f'({len(unknown)} such: {shortened(unknown)}): add training images or remove it'
        )
    return classes


def files_by_class(root: str | Path, split: str, classes: Sequence[str]) -> tuple[list[list[str]], list[Path]]:
    """List the images of each class, and the class folders without images.

    A class may be absent from ``val``, not from ``train``.

    Args:
        root: the image folder.
        split: ``'train'`` or ``'val'``.
        classes: the classes from :func:`scan_classes`.

    Raises:
        NoData: if the split does not exist or has no images.
    """
    if not Path(root, split).is_dir():
        raise _no_data(Path(root, split), root)
    folders = [Path(root, split, name) for name in classes]
    files_of = [images_under(folder) if folder.is_dir() else [] for folder in folders]
    if not any(files_of):
        raise NoData(f'{Path(root, split)} holds no images ({", ".join(EXTENSIONS)}): expected {LAYOUT}')
    pairs = zip(folders, files_of, strict=True)
    return files_of, [folder for folder, files in pairs if not files and (split == 'train' or folder.is_dir())]


def _no_data(folder: Path, root: Path | str) -> NoData:
    fix = (
        _misnamed(Path(root))
        or hint(root, IMAGE_FOLDER)
        or _unsplit(Path(root))
        or 'give another root with --data PATH, or take --data sample, which needs no data'
    )
    return NoData(f'no data at {folder}: expected {LAYOUT} under {root}; {fix}')


def _misnamed(root: Path) -> str:
    """Return advice to rename the splits' folders, such as ``Training/`` and ``valid/``, or an empty string."""
    ours = {name: OTHER_NAMES[name.lower()] for name in subfolders(root) if name.lower() in OTHER_NAMES}
    wrong = [name for name, right in ours.items() if name != right and subfolders(root / name)]
    if not wrong or len(set(ours.values())) < len(ours):
        return ''
    renamed = ' and '.join(f'{name}/ to {ours[name]}/' for name in wrong)
    return f'{root} holds {" and ".join(f"{name}/" for name in wrong)}: rename {renamed}'


def _unsplit(root: Path) -> str:
    """Return advice for class folders that are in no split, or an empty string."""
    classes = [name for name in subfolders(root) if _has_image(root / name)]
    if not classes:
        return ''
    return (
        f'{root} holds class folders ({shortened(classes, 3)}) that are in no split: move them into {root / "train"}, '
        f'and some images of each into the same folder in {root / "val"}'
    )


def _has_image(folder: Path) -> bool:
    return any(path.suffix.lower() in EXTENSIONS for path in folder.iterdir())
