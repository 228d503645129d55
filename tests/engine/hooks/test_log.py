"""The learning rates of a whole run, group by group, against the closed formula."""

import math

import pytest

from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import train_config

EPOCHS, RATE = 10, 0.6


@pytest.mark.parametrize('accumulation', [1, 3])
def test_every_group_follows_warm_up_and_cosine_to_its_own_minimum(image_folder, tmp_path, capsys, accumulation):
    """V2-B's recipe has warm-up, cosine, a minimum and layer decay."""
    options = {'train_cfg.max_epochs': EPOCHS, 'train_cfg.total_batch_size': 8 * accumulation}
    train_config('configs/classification/convnextv2_b.py', image_folder, tmp_path, options)

    steps = EPOCHS * 48 // (8 * accumulation)
    warm_up, base, minimum = steps // 5, 1e-3, 1e-3 * 4e-4  # 20 of 100 epochs
    linear = [base * (1e-6 + (1 - 1e-6) * t / (warm_up - 1)) for t in range(warm_up)]
    rest = steps - warm_up
    cosine = [minimum + (base - minimum) / 2 * (1 + math.cos(math.pi * t / rest)) for t in range(rest)]
    scalars = read_scalars(tmp_path)
    assert [lr for _, lr in scalars['train/lr']] == pytest.approx([*linear, *cosine], rel=1e-6)

    num_layers = 5  # stage 2 has four blocks
    for layer_id in range(num_layers + 2):
        scale = RATE ** (num_layers + 1 - layer_id)
        for kind in ('decay', 'no_decay'):
            trace = [lr for _, lr in scalars[f'train/lr/layer_{layer_id}_{kind}']]
            assert trace == pytest.approx([scale * lr for lr in (*linear, *cosine)], rel=1e-6)
            assert trace[-1] > scale * minimum  # the minimum shrinks with the layer's scale: no lr ever rises to it
            assert trace[warm_up:] == sorted(trace[warm_up:], reverse=True)
    log = capsys.readouterr().out
    assert '14 parameter groups; the lr in the log is that of neck and heads, and scaled by layer: ' in log
    assert 'layer_0 x 0.0467, layer_1 x 0.0778' in log
