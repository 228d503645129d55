"""Parts of a config that cannot be built are named."""

import re

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.engine import Runner
from convnext_dense.engine.building import check_class_counts, describe_unused_regions
from convnext_dense.errors import UserError
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


@pytest.mark.parametrize(
    ('model', 'said'),
    [
        (dict(num_classes=3), None),
        (dict(num_classes=2), 'model.num_classes is 2, and the training data have 3 classes'),
        (dict(decode_head=dict(num_classes=3), auxiliary_head=[{}, dict(num_classes=4)]), 'auxiliary_head.1.'),
        (
            dict(roi_head=dict(bbox_head=[dict(num_classes=n) for n in (3, 3, 80)])),
            'bbox_head.2..num_classes',
        ),
        (
            dict(roi_head=dict(mask_head=dict(num_classes=1))),
            r'mask_head.num_classes is 1, .* \(a, b, c\)',
        ),
        (dict(backbone={}), None),
        (None, None),
    ],
)
def test_heads_have_the_classes_of_the_data(model, said):
    check_class_counts(model, None)
    if said is None:
        check_class_counts(model, ['a', 'b', 'c'])
        return
    with pytest.raises(UserError, match=said):
        check_class_counts(model, ['a', 'b', 'c'])


def test_a_number_of_classes_by_hand_is_compared_with_the_data(error, image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--epochs', '2', options=('model.num_classes=5',)) == 2
    assert '--cfg-options sets num_classes to 5, and the data have 3 classes: leave it out' in error()


def test_a_runner_compares_the_heads_with_its_data(image_folder, tmp_path):
    cfg = read_config('configs/classification/convnext_a.py', data=str(image_folder))
    cfg.model.num_classes = 4
    cfg.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    cfg.work_dir = str(tmp_path / 'run')
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError, match=r'model\.num_classes is 4, and the training data have 3 classes'):
        runner.train()


def test_a_detector_that_does_not_know_ignore_regions_is_named():
    ours, theirs = ({'assigner': {'type': f'{scope}.MaxIoUAssigner'}} for scope in ('convnext_dense', 'mmdet'))
    atss = {'assigner': {'type': 'mmdet.ATSSAssigner'}}
    for model, regions, said in (
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, ours]}}, 3, None),
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, theirs]}}, 0, None),
        ({'train_cfg': {'rpn': ours, 'rcnn': [ours, theirs]}}, 3, r'its assigners (mmdet.MaxIoUAssigner) do not know'),
        ({'train_cfg': atss}, 3, 'its assigners (mmdet.ATSSAssigner) do not know them'),
        ({'bbox_head': {'type': 'mmdet.FCOSHead'}}, 1, 'it does not know them'),
    ):
        line = describe_unused_regions(model, regions)
        assert (line is None) if said is None else (said in line and f'have {regions} ignore regions' in line)
