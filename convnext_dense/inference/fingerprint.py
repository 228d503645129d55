"""Descriptions of all that a prediction depends on, so that nothing else continues one that was interrupted."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path

import torch
from mmengine.config import Config
from torch import nn

from ..errors import UserError
from ..tasks import tested_dataset

DIGITS = 12
"""Of a hash."""


def describe_file(path: str | Path) -> str:
    """Describe a file by its name, its bytes and the time of its last change.

    Raises:
        UserError: if it can't be looked at.
    """
    try:
        found = Path(path).stat()
    except OSError as error:
        raise UserError(f'bad image {path} ({error.strerror})') from None
    changed = datetime.fromtimestamp(found.st_mtime, timezone.utc).isoformat()
    return f'{Path(path).name} of {found.st_size} bytes, changed {changed}'


def hash_weights(model: nn.Module) -> str:
    """Return a hash of the weights of a model."""
    found = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        found.update(f'{name} {tuple(value.shape)} {value.dtype}'.encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()[:DIGITS]


def hash_settings(cfg: Config) -> str:
    """Return a hash of how a config prepares images and predicts."""
    parts = [cfg.model.to_dict(), Config({'pipeline': tested_dataset(cfg).get('pipeline')}).to_dict()]
    text = json.dumps(parts, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
