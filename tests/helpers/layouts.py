"""Empty files and folders in any layout."""

from pathlib import Path


def touch(root: Path, *files: str) -> Path:
    """Create empty files, with their folders; a name that ends in ``/`` is a folder."""
    for file in files:
        path = root / file
        (path if file.endswith('/') else path.parent).mkdir(parents=True, exist_ok=True)
        if not file.endswith('/'):
            path.touch()
    return root
