"""Values in the text of a config that a checkpoint has, which is only read."""

from __future__ import annotations

import ast
import re


def value_in_config(config: str, key: str) -> object:
    """Return the value of a top-level key in the text of a config; None if it is absent or no literal."""
    found = re.search(rf'^{key} = (.+)$', config, re.MULTILINE)
    try:
        return ast.literal_eval(found[1]) if found else None
    except (SyntaxError, ValueError):
        return None
