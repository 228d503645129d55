"""Read JSON files of annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import UserError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: if it can't be read, or is not JSON in UTF-8 or UTF-16.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror})') from None
    except (ValueError, RecursionError) as error:  # not JSON, or not even text
        raise UserError(f'{path} is not JSON ({error}): get or write the file again, or remove it') from None


def begins_with_object(content: bytes) -> bool:
    """Check whether the beginning of a file in UTF-8 may be that of a JSON object."""
    return content.removeprefix(b'\xef\xbb\xbf').lstrip().startswith(b'{')
