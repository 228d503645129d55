"""Configs that the installed mmdet and mmseg ship, read with their bases."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.config import Config

from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.model import adapt_model
from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.sources import SourceConfig


def stock_config(name: str) -> SourceConfig:
    """Read a config by a name such as ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``."""
    library, _, path = name.partition(':')
    file = Path(find_spec(library).origin).parent / '.mim/configs' / path
    return SourceConfig(name, library, file, Config.fromfile(file, import_custom_modules=False))


def adapted_model(name: str, arch: str = 'atto', **changes: Any) -> tuple[dict[str, Any], Notes]:
    """Adapt a shipped config's model, after changes of its ``model``, and return it with the notes."""
    source, notes = stock_config(name), Notes()
    source.cfg.merge_from_dict({'model': changes})
    return adapt_model(source, find_arch(arch), notes), notes
