"""Putting the files of a model in place, in a new folder or over an earlier push."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import UserError
from ...io.files import atomic_folder

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
    """Context that provides a folder to fill with :data:`FILES`, which replaces ``folder`` if the block ends well.

    Other files in ``folder`` stay, and so does a model card that somebody has edited, unless ``force``: the block's
    own is dropped. ``folder`` is the complete old one or the complete new one at any time, except for the moment
    between two renames.

    Raises:
        UserError: as :func:`check_folder`, or if the folder can't be written.
    """
    check_folder(folder, force)
    with atomic_folder(folder, replace=True) as temporary:
        yield temporary
        if folder.is_dir():
            _keep(folder, temporary, force)


def _keep(old: Path, new: Path, force: bool) -> None:
    """Take what is to stay of the old folder into the new one."""
    if not force and (old / CARD).is_file() and is_edited(_text(old / CARD)):
        (new / CARD).unlink(missing_ok=True)
        _link(old / CARD, new / CARD)
    for entry in old.iterdir():
        if entry.name in FILES:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(entry, new / entry.name)


def _link(source: str | Path, target: str | Path) -> None:
    """Link a file, which takes no space, or copy it where the file system has no links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding='utf-8')
    return ''
