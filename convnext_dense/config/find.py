"""Finding a config file: as it is given, or among those that come with the package."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import UserError

PACKAGE = Path(__file__).parents[1]


def find_config(path: str) -> Path:
    """The config file: as given, or among the configs that came with the package.

    Raises:
        UserError: if it does not exist, with the nearest names.
    """
    shipped = PACKAGE / 'configs' if (PACKAGE / 'configs').is_dir() else PACKAGE.parent / 'configs'
    for candidate in (Path(path), shipped / path.removeprefix('configs/')):
        if candidate.is_file():
            return candidate
    names = sorted(str(Path('configs', p.relative_to(shipped))) for p in shipped.glob('[!_]*/*.py'))
    near = difflib.get_close_matches(path, names, n=3, cutoff=0.5) or names[:5]
    raise UserError(f'no config at {path}: did you mean {" or ".join(near)}?')
