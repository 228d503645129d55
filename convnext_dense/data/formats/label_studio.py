"""Recognize Label Studio's own JSON files, which are not read, so that the error names its exports."""

from __future__ import annotations

import re
from pathlib import Path

from ..image_files import is_stray

BEGINNING = 100_000
"""Bytes of a file that are searched for its keys."""
KEYS = (
    rb'"(annotation_id|lead_time|was_cancelled|from_name|rectanglelabels|polygonlabels|brushlabels|completed_by)"\s*:'
    rb'|"result"\s*:\s*\['
)
"""Keys of annotations of Label Studio: of its tasks, and of its short form JSON-MIN."""


def describe_label_studio(root: Path) -> str:
    """Return a line about a file of Label Studio, or one in a folder, and the exports to take; empty if there is none.

    Args:
        root: the file, or the folder.
    """
    files = [root] if root.is_file() else sorted(file for file in root.glob('*.json') if not is_stray(file.name))
    found = next((file for file in files if _is_label_studio(file)), None)
    if found is None:
        return ''
    return (
        f"{found} is in Label Studio's own JSON: export the project from there as COCO, or as YOLO with images, "
        'and give the folder of that'
    )


def _is_label_studio(file: Path) -> bool:
    try:
        with open(file, 'rb') as opened:
            content = opened.read(BEGINNING)
    except OSError:
        return False
    is_list = content.removeprefix(b'\xef\xbb\xbf').lstrip().startswith(b'[')
    return is_list and re.search(KEYS, content) is not None
