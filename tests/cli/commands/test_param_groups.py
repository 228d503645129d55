"""``param_groups``: learning rates and weight decays of a config."""

import json
import re

import pytest

from convnext_dense.cli import run_verb


def test_param_groups_says_what_a_config_does(capsys):
    config = 'configs/classification/convnext_t_22k_to_1k.py'
    assert run_verb('param_groups', [config, '--json']) == 0
    groups = json.loads(capsys.readouterr().out)
    keys = {'layer_id', 'lr_scale', 'lr', 'weight_decay', 'params'}
    assert all(group.keys() == keys for group in groups)
    of = {name: group for group in groups for name in group['params']}
    assert len(of) == sum(len(group['params']) for group in groups) == 182
    block = of['backbone.stages.2.8.pwconv1.weight']
    assert (block['layer_id'], block['weight_decay']) == (5, 1e-8)
    assert block['lr'] == pytest.approx(5e-5 * 0.8**2)
    assert (of['head.bias']['layer_id'], of['head.bias']['lr_scale']) == (7, 1.0)

    assert run_verb('param_groups', [config, '--verbose', '--cfg-options', 'model.backbone.frozen_stages=0']) == 0
    table = capsys.readouterr().out
    assert re.search(r'layer_5_decay +5 +0\.64 +3\.200e-05 +1e-08 +9 +3,595,392\n', table)
    assert '28,584,232 trained parameters, 4,896 frozen; lr at a total batch of 512' in table
    assert 'backbone.stages.2.8.pwconv1.weight  (1536, 384)' in table

    assert run_verb('param_groups', [config, '--json', '--cfg-options', 'lora.rank=8']) == 0
    of = {name: group for group in json.loads(capsys.readouterr().out) for name in group['params']}
    assert len(of) == 18 * 2 * 2 + 4  # of 18 blocks, the final norm and the head
    adapter = of['backbone.stages.2.8.pwconv1.lora_B.default.weight']
    assert (adapter['layer_id'], adapter['lr'], adapter['weight_decay']) == (5, block['lr'], 1e-8)
    assert run_verb('param_groups', [config, '--cfg-options', 'lora.rank=97']) == 2
    assert 'stages.0.0.pwconv1 has 96 channels: take a rank of at most 96' in capsys.readouterr().err

    assert run_verb('param_groups', [config, '--cfg-options', 'optim_wrapper.constructor=None']) == 2
    assert "error: the config builds its optimizer with mmengine's own constructor: take" in capsys.readouterr().err

    assert run_verb('param_groups', [config, '--cfg-options', 'optim_wrapper.paramwise_cfg.num_layers=12']) == 2
    assert 'error: paramwise_cfg.num_layers 12 does not fit' in capsys.readouterr().err
