"""Tell the split of a file or folder by its name: ``instances_Train.json``, ``valid/``, ``lvis_v1_val.json``."""

from __future__ import annotations

import re
from pathlib import PurePath

TRAIN, VAL, TEST = 'train', 'val', 'test'
SPLITS = (TRAIN, VAL, TEST)
SPLIT_NAMES = {
    TRAIN: ('train', 'training', 'train2017'),
    VAL: ('val', 'valid', 'validation', 'val2017'),
    TEST: ('test', 'testing', 'test2017'),
}
"""Names of folders and lists of each split, in lowercase, for formats that take the first ones that exist."""
_NOUNS = '(?:set|data|images|imgs|labels|annotations|split)?'
_WORDS = re.compile(r'[a-z]+')
_CASE_CHANGE = re.compile(r'(?<=[a-z])(?=[A-Z])')
_IS_SPLIT = {
    TRAIN: re.compile('train.*|.*train'),
    VAL: re.compile(f'.*val|(?:val|valid|validation|validate|eval|evaluation|dev|development){_NOUNS}'),
    TEST: re.compile(f'(?:test|testing|tests){_NOUNS}'),
}


def splits_in(name: str) -> frozenset[str]:
    """Return all splits that the words of a name tell: both ``'train'`` and ``'val'`` for ``trainval``.

    Case does not matter, and digits end a word. ``test-dev`` is of the test split.
    """
    words = _WORDS.findall(_CASE_CHANGE.sub(' ', name).lower())
    found = {split for split, pattern in _IS_SPLIT.items() if any(map(pattern.fullmatch, words))}
    if 'trainval' in name.lower():
        found.add(VAL)
    if TEST in found and {word for word in words if _IS_SPLIT[VAL].fullmatch(word)} == {'dev'}:
        found.discard(VAL)
    return frozenset(found)


def split_of(name: str) -> str | None:
    """Return the split that a name tells, or None if it tells none or several."""
    found = splits_in(name)
    return next(iter(found)) if len(found) == 1 else None


def splits_of_path(path: PurePath) -> frozenset[str]:
    """Return the splits that the name of a file tells, without its suffixes, or else the nearest of its folders.

    Args:
        path: relative to the data set's root, whose name tells nothing.
    """
    for name in (path.name.split('.')[0] or path.name, *reversed(path.parts[:-1])):
        if found := splits_in(name):
            return found
    return frozenset()


def split_of_folders(path: PurePath) -> str | None:
    """Return the split that the innermost folder of a path tells that tells any; its last part is a folder, too."""
    return next((split for name in reversed(path.parts) if (split := split_of(name))), None)


def splits_of_folders(path: PurePath) -> frozenset[str]:
    """Return the splits that the folders of a path tell; its last part is one of them."""
    return frozenset(split for name in path.parts if (split := split_of(name)))
