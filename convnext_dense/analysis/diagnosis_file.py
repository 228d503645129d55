"""A diagnosis as a JSON file."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnosis import DIAGNOSIS_FILE
from ..diagnosis.content import Diagnosis
from ..diagnosis.reading import find_diagnosis, read_diagnosis
from ..io.files import write_errors

__all__ = ['find_diagnosis', 'plain', 'read_diagnosis', 'write_diagnosis']


def write_diagnosis(diagnosis: Diagnosis, folder: Path) -> None:
    """Write a diagnosis as ``diagnosis.json``, in which numbers that are not finite are null.

    Raises:
        UserError: if the file can't be written.
    """
    text = json.dumps(plain(diagnosis), separators=(',', ':'), allow_nan=False)
    with write_errors(folder, '--out'):
        (folder / DIAGNOSIS_FILE).write_text(text + '\n', encoding='utf-8')


def plain(value: Any) -> Any:
    """Convert dataclasses, arrays and numbers of numpy to what JSON has; numbers that are not finite become None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
