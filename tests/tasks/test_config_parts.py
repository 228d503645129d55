"""Data loaders and heads of configs, of every task."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.tasks import check_chosen_classes, loaders, set_classes, smallest_head
from tests.helpers.small_models import CONFIGS


@pytest.mark.parametrize(('task', 'heads'), [('classification', 1), ('detection', 4), ('segmentation', 2)])
def test_every_head_gets_the_number_of_classes(task, heads):
    options = {'model.num_classes': 9} if task == 'classification' else None
    cfg = read_config(f'configs/{CONFIGS[task][0]}', options, needs_data=False)
    set_classes(cfg, 7)
    assert str(cfg.model).count("'num_classes': 7") == str(cfg.model).count('num_classes') == heads


def test_chosen_numbers_of_things_and_stuff_must_be_those_of_the_data():
    fusion = {'panoptic_fusion_head': {'num_things_classes': 3, 'num_stuff_classes': 2}}
    check_chosen_classes({'model': fusion}, 5, 2)
    check_chosen_classes({'model': {'bbox_head': {'num_classes': 3}}}, 5, 2)
    have = 'and the data have 2 classes of things and 3 of stuff: leave it out, since the heads follow the data'
    with pytest.raises(UserError, match=f'^--cfg-options sets num_things_classes to 3, {have}$'):
        check_chosen_classes({'model': fusion}, 5, 3)
    with pytest.raises(UserError, match=r'^--cfg-options sets num_classes to 3, and the data have 4 classes: leav'):
        check_chosen_classes({'model': {'bbox_head': {'num_classes': 3}}}, 4)


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
