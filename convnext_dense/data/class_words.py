"""Names of classes that stand for no object: the background, and pixels without a class."""

from __future__ import annotations

import re

BACKGROUND = re.compile('bg|background.*')
NO_CLASS = re.compile(
    '(un|not|no)labell?(ed)?.*|unannotated|unclassified|undefined|unknown|void|ignored?|none|null|nodata|dontcare|invalid'
)
"""What such names look like, in lowercase, without spaces and underscores."""


def is_background(name: str) -> bool:
    """Check whether a name is one for the background."""
    return _is(BACKGROUND, name)


def is_no_class(name: str) -> bool:
    """Check whether a name is one for pixels that have no class, such as ``void``."""
    return _is(NO_CLASS, name)


def _is(kind: re.Pattern, name: str) -> bool:
    return kind.fullmatch(re.sub(r'[\W_]', '', name.lower())) is not None
