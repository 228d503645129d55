"""Heads with queries learn the drawn sample: the recipes for it, cut to minutes."""

from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import ROOT

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def test_mask2former_segments_far_above_chance(tmp_path):
    """Of 19 classes, the most frequent one everywhere has a mean IoU of less than 2."""
    run(ROOT / 'configs/seg/mask2former_convnext_a_ade20k.py', tmp_path, '--iters', '120')
    ((_, score),) = read_scalars(tmp_path)['val/raw/mIoU']
    assert score > 10


def test_the_panoptic_losses_of_mask2former_fall(tmp_path):
    run(ROOT / 'configs/panoptic/mask2former_convnext_a_coco.py', tmp_path, '--epochs', '1')
    losses = [loss for _, loss in read_scalars(tmp_path)['train/loss']]
    assert losses[-1] < 0.8 * losses[0]


def run(config: Path, work_dir: Path, *length: str) -> None:
    options = ['val_dataloader.dataset.indices=20', 'default_hooks.logger.interval=10', 'log_processor.window_size=10']
    argv = [str(config), '--data', 'sample', '--work-dir', str(work_dir), *length, '--cfg-options', *options]
    assert run_verb('train', argv) == 0
