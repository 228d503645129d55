"""Detectors without RoI heads: an interrupted run goes on as if it had not been, to the last bit."""

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.small_detectors import write_detector

BF16 = "optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')\n"
EMA = "default_hooks['ema'] = dict(type='convnext_dense.EMA', momentum=0.1)\n"


def same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize(
    ('name', 'more', 'steps'),
    [
        ('dino_convnext_a_coco', BF16 + EMA, 3),  # of two accumulated images
        ('rtmdet_convnext_t_coco', 'train_dataloader.update(num_workers=1, persistent_workers=True)\n', 9),
    ],
)
def test_a_resumed_run_equals_one_that_was_not_interrupted(name, more, steps, coco, tmp_path):
    """Random queries for denoising, accumulation, the average; mosaics, and another pipeline for the last epoch."""
    config, run = write_detector(name, tmp_path, more), tmp_path / 'run'
    argv = [str(config), '--data', str(coco), '--work-dir', str(run)]
    assert run_verb('train', argv) == 0
    whole, logged = torch.load(run / 'epoch_3.pth', weights_only=True), read_scalars(run)['train/loss']
    assert len(logged) == steps
    log = ''.join(path.read_text() for path in run.glob('*/*.log'))
    assert ('Switch pipeline now!' in log) == ('rtmdet' in name)
    for number in (2, 3):
        (run / f'epoch_{number}.pth').unlink()
    assert run_verb('train', [*argv, '--resume']) == 0
    resumed = torch.load(run / 'epoch_3.pth', weights_only=True)
    for part in ('state_dict', 'ema_state_dict', 'optimizer'):
        assert same(whole[part], resumed[part]), part
    assert read_scalars(run)['train/loss'] == logged
