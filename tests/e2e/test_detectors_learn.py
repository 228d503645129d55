"""A light DETR finds the objects of the drawn sample after one epoch on small images."""

import json

import pytest

from convnext_dense.cli import run_verb


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_dino_on_atto_learns_the_sample(tmp_path):
    run = tmp_path / 'run'
    argv = ['configs/det/dino_convnext_a_coco.py', '--data', 'sample', '--work-dir', str(run)]
    assert run_verb('train', [*argv, '--epochs', '1', '--image-size', '128', '214']) == 0
    assert run_verb('test', [str(run)]) == 0
    assert json.loads((run / 'metrics.json').read_text())['metrics']['raw/box_AP50'] > 10  # measured: 21.2
