"""Data loaders and heads of configs, of every task."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.tasks import loaders, set_classes, smallest_head
from tests.helpers.small_models import CONFIGS


@pytest.mark.parametrize(('task', 'heads'), [('classification', 1), ('detection', 4), ('segmentation', 2)])
def test_every_head_gets_the_number_of_classes(task, heads):
    options = {'model.num_classes': 9} if task == 'classification' else None
    cfg = read_config(f'configs/{CONFIGS[task][0]}', options, needs_data=False)
    set_classes(cfg, 7)
    assert str(cfg.model).count("'num_classes': 7") == str(cfg.model).count('num_classes') == heads


def test_the_smallest_head_counts():
    cfg = read_config(f'configs/{CONFIGS["segmentation"][0]}', needs_data=False)
    assert smallest_head(cfg) == 150
    cfg.model.auxiliary_head.num_classes = 5
    assert smallest_head(cfg) == 5


def test_loaders_are_those_that_are_there():
    cfg = read_config(f'configs/{CONFIGS["classification"][0]}', needs_data=False)
    assert loaders(cfg) == [cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader]
    cfg.train_dataloader = cfg.val_dataloader = None
    assert loaders(cfg) == [cfg.test_dataloader]
