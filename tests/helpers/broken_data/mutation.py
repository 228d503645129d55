"""A change of a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

Mutation = Callable[[Path, Random], None]
"""Changes the data set in a folder."""
