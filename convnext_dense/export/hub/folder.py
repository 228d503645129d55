"""Putting the files of a model in place, in a new folder or over an earlier push."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import UserError
from ...io.files import atomic_folder, temporary_folder, write_errors

CONFIG, WEIGHTS, PROCESSOR, CARD = 'config.json', 'model.safetensors', 'preprocessor_config.json', 'README.md'
FILES = (CONFIG, WEIGHTS, PROCESSOR, CARD)
"""All files that are written; :data:`PROCESSOR` is transformers' alone."""
VERSION_NAME = 'convnext_dense_version'
"""Key in ``config.json``: the version of this package that wrote it."""
SIGNATURE = re.compile(r'\n<!-- written by convnext_dense; SHA-256 of what is above: ([0-9a-f]{64}) -->\n\Z')


def sign(card: str) -> str:
    """Add a line to a model card by which :func:`is_edited` knows whether somebody changed it."""
    return f'{card}\n<!-- written by convnext_dense; SHA-256 of what is above: {_digest(card)} -->\n'


def is_edited(card: str) -> bool:
    """Whether a model card is other than :func:`sign` returned it."""
    signature = SIGNATURE.search(card)
    return signature is None or signature[1] != _digest(card[: signature.start()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def is_ours(config: str) -> bool:
    """Whether a ``config.json`` with this text was written here."""
    try:
        content = json.loads(config)
    except ValueError:
        return False
    return isinstance(content, dict) and VERSION_NAME in content


def check_folder(folder: Path, force: bool) -> None:
    """Raise a UserError if nothing should be written to a folder: it is a file, or has other files than ours."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f'{folder} is a file: name a folder')
    if not folder.is_dir() or force or not any(folder.iterdir()):
        return
    if not is_ours(_text(folder / CONFIG)):
        raise UserError(
            f'{folder} is not empty, and no earlier push: name a new folder, or write into it with --force'
        )


@contextmanager
def pushed_folder(folder: Path, force: bool) -> Iterator[Path]:
    """Context that provides a folder to fill with :data:`FILES`, which are put into ``folder`` if the block ends well.

    A new folder appears as a whole. In one that is there, each file is replaced at once, :data:`CONFIG` last, and
    nothing else is touched. A model card that somebody has edited stays, unless ``force``.

    Raises:
        UserError: as :func:`check_folder`, or if the folder can't be written.
    """
    check_folder(folder, force)
    if not folder.exists():
        with atomic_folder(folder) as temporary:
            yield temporary
        return
    with temporary_folder(Path(os.path.realpath(folder), 'push'), folder) as temporary:
        yield temporary
        with write_errors(folder):
            _replace_files(folder, temporary, force)


def _replace_files(old: Path, new: Path, force: bool) -> None:
    keeps_card = not force and (old / CARD).is_file() and is_edited(_text(old / CARD))
    for name in sorted(FILES, key=lambda name: name == CONFIG):
        if name == CARD and keeps_card:
            continue
        if (new / name).is_file():
            os.replace(new / name, old / name)
        else:
            (old / name).unlink(missing_ok=True)


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding='utf-8')
    return ''
