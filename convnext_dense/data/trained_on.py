"""What a test says about the images that its run was trained on."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..counting import counted
from .foreign import count_images, innermost
from .subset import FILE_NAME, Split, read_split


def describe_split(dataset: Any, is_kept: bool) -> str | None:
    """Return a line about the part of the images that is tested; None if all are.

    Args:
        dataset: the data set, maybe inside wrappers.
        is_kept: the split is the one that the run keeps.
    """
    parts = [part for part in innermost(dataset) if getattr(part, 'kept_split', None) is not None]
    if not parts:
        return None
    whole = sum(len(names) for names in parts[0].kept_split.names.values())
    by = 'of the run' if is_kept else f'by {parts[0].kept_split.rule.flags}'
    return f'split {by}: {sum(map(len, parts)):,} of {counted(whole, "image")} are tested'


def describe_trained_on(dataset: Any, work_dir: Path | None) -> str | None:
    """Return a line about images of a test set that a run was trained on, by the split in its work dir; None without.

    They are found by their real paths; elsewhere by the same name and content, or by the name alone if the images of
    the run are gone.

    Args:
        dataset: the data set, maybe inside wrappers.
        work_dir: the work dir of the run, if there is one.
    """
    file = None if work_dir is None else work_dir / FILE_NAME
    if file is None or not file.is_file():
        return None
    split = read_split(file)
    tested = [
        part.image(index)[0]
        for part in innermost(dataset)
        for index in range(count_images(part) if hasattr(part, 'image') else 0)
    ]
    trained = set(split.names['train'])
    places = {os.path.realpath(os.path.join(split.folder, name)) for name in trained}
    seen = [os.path.realpath(path) in places or _is_copy(path, trained, split) for path in tested]
    if not any(seen):
        return None
    return (
        f'{sum(seen)} of {counted(len(tested), "image")} were used in training, by {file}: results will look better '
        f'than they are; give {split.rule.flags} to test on the others'
    )


def _is_copy(path: str, trained: Collection[str], split: Split) -> bool:
    """Check whether an image is one of the run at another place."""
    parts = Path(os.path.abspath(path)).parts
    name = next((one for start in range(1, len(parts)) if (one := '/'.join(parts[start:])) in trained), None)
    if name is None:
        return False
    original = os.path.join(split.folder, name)
    try:
        return filecmp.cmp(original, path, shallow=False)
    except OSError:
        return True
