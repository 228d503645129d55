"""Finding and reading the diagnosis of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER


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
