"""Parts of a config that cannot be built are named."""

import re

import pytest

from tests.helpers.run_tool import train


@pytest.mark.parametrize(
    ('option', 'said'),
    [
        ('model.backbone.drop_paht_rate=0.1', 'model can.t be built.*drop_paht_rate'),
        ('model.backbone.arch=teeny', 'unknown arch .teeny.: take one of atto'),
        ('optim_wrapper.optimizer.type=Adamm', 'optim_wrapper can.t be built.*Adamm'),
        ('val_evaluator.type=Accuracyy', 'can.t be built.*Accuracyy'),
        ('train_dataloader.batch_size=500', '48 training images are fewer than one batch'),
        ('train_dataloader.batch_size=7', 'batch size must be even'),
        ('model.type=Classifier', 'Classifier is not in the'),
    ],
)
def test_option_that_cannot_be_built(error, image_folder, tmp_path, option, said):
    assert train(image_folder, tmp_path, '--epochs', '2', options=(option,)) == 2
    assert re.search(said, line := error()), line
