"""``probe`` with a network of a few kilobytes and images of 32 pixels."""

import json
from pathlib import Path

from convnext_dense.cli import run_verb
from tests.helpers.small_classifier import ARCH, classifier, official, save

ATTO = 'configs/classification/convnext_a.py'
SMALL = [
    f'model.backbone.arch=dict(_delete_=True,depths={ARCH["depths"]},dims={ARCH["dims"]})'.replace(' ', ''),
    'model.backbone.layer_scale_init_value=1.0',
    *(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.persistent_workers=False' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.dataset.transform.input_size=32' for loader in ('train', 'val', 'test')),
]


def probe(data: Path | str, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    """``probe`` with its arguments; returns the exit code."""
    argv = [ATTO, '--data', str(data), '--work-dir', str(work_dir), *arguments]
    return run_verb('probe', [*argv, '--cfg-options', *SMALL, *options])


def weights(path: Path) -> Path:
    """Random weights in the layout of the official release, with a head for other classes."""
    return save(official(classifier(7)), path)


def results(work_dir: Path) -> dict:
    return json.loads((work_dir / 'probe.json').read_text())
