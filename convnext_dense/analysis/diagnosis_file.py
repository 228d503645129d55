"""A diagnosis as a JSON file."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnosis.content import Diagnosis
from ..errors import UserError
from ..io.files import write_errors
from . import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER


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


def find_diagnosis(run: Path) -> Path | None:
    """Return the file of a run's diagnosis, by its work dir, or by the folder of a diagnosis; None if it has none."""
    files = (run / DIAGNOSIS_FOLDER / DIAGNOSIS_FILE, run / DIAGNOSIS_FILE)
    return next((file for file in files if file.is_file()), None)


def read_diagnosis(file: Path) -> dict[str, Any]:
    """Read a ``diagnosis.json``.

    Raises:
        UserError: if it can't be read, or is none.
    """
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(f'{file} cannot be read ({error}): diagnose the run again') from None
    if not isinstance(content, dict) or 'headlines' not in content:
        raise UserError(f'{file} is no diagnosis: diagnose the run again')
    return content
