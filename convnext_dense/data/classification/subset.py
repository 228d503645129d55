"""Part of the images of a split, or of a data set in no split."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..subset import Split, select
from .find import ClassFiles


def select_files(
    found: ClassFiles, classes: Sequence[str], subset: Mapping[str, Any]
) -> tuple[ClassFiles, Split | None, list[str]]:
    """Select the images of a part of a split.

    Args:
        found: the images of the whole split.
        classes: the class names.
        subset: rule and part; see :func:`~convnext_dense.data.subset.select`.

    Returns:
        The images of the part, the split, and what a user should know.
    """
    start = len(os.path.join(found.folder, ''))
    paths = [path for files in found.files for path in files]
    labels = [label for label, files in enumerate(found.files) for _ in files]
    own = [(name,) for name in classes]
    names = [path[start:].replace(os.sep, '/') for path in paths]
    selected = select(subset, str(found.folder), names, [own[label] for label in labels])
    files_of: list[list[str]] = [[] for _ in classes]
    for index in selected.indices:
        files_of[labels[index]].append(paths[index])
    return found._replace(files=files_of, empty=[]), selected.split, selected.notes
