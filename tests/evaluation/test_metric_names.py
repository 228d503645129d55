"""The names of metrics."""

import pytest

from convnext_dense.evaluation.metric_names import find_metric, format_metric, near_metric, rule_of, split_metric_names

NAMES = ['raw/coco/bbox_mAP', 'raw/coco/segm_mAP', 'raw/mIoU', 'raw/images', 'ema/coco/bbox_mAP', 'ema/mIoU']


def test_each_part_comes_once_and_in_order():
    assert split_metric_names(['raw/top1', 'raw/top5', 'ema/top1']) == (['raw', 'ema'], ['top1', 'top5'])


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('auto', 'raw/coco/bbox_mAP'),
        ('mIoU', 'raw/mIoU'),
        ('raw/mIoU', 'raw/mIoU'),
        ('ema/mIoU', 'ema/mIoU'),
        ('coco/bbox_mAP', 'raw/coco/bbox_mAP'),
        ('bbox_mAP', 'raw/coco/bbox_mAP'),
        ('segm_mAP', 'raw/coco/segm_mAP'),
        ('IoU', None),
        ('mAP', None),
        ('ema/segm_mAP', None),
    ],
)
def test_a_name_may_lack_its_beginning(name, found):
    assert find_metric(name, NAMES) == found


def test_a_metric_of_this_name_comes_before_one_that_ends_like_it():
    assert find_metric('acc', ['raw/coco/acc', 'raw/acc']) == 'raw/acc'
    assert find_metric('auto', []) is None


def test_near_names():
    assert near_metric('mDic', ['raw/mIoU', 'raw/mDice', 'ema/mDice']) == 'raw/mDice'
    assert near_metric('miou', NAMES) == 'raw/mIoU'
    assert near_metric('xyz', NAMES) is None


@pytest.mark.parametrize(
    ('names', 'rule'),
    [
        (('raw/top1', 'box_AP', 'raw/mask_AP50', 'coco/bbox_mAP', 'mIoU', 'mDice', 'raw/f1', 'AUC'), 'greater'),
        (('raw/PQ_things', 'SQ', 'RQ'), 'greater'),
        (('loss', 'raw/val_loss', 'top1_error', 'RMSE', 'mae'), 'less'),
        (('fid', 'x', 'raw/', 'topology', 'mapping', 'emaes', 'scored', 'raw/kappa', 'mape', 'gloss'), None),
        (('lossless_acc', 'maeIoU', 'Acc.horse_mae', 'IoU.mse', 'horse_mae_precision', 'raw/AP.error'), 'greater'),
        (('mAP50', 'bbox_mAP_75', 'AR@100', 'AP_s', 'APs', 'mFscore', 'f1-score', 'top-5', 'fwIoU'), 'greater'),
        (('balancedAccuracy', 'mean_iou', 'BoundaryIoU', 'mAP@0.5', 'my.acc', 'macc', 'mDices', 'F1score'), 'greater'),
        (('acc_loss', 'loss_iou', 'lossIoU', 'decode.loss_dice', 'error_top1', 'errorRate', 'iouMSE'), 'less'),
    ],
)  # fmt: skip
def test_which_way_is_better(names, rule):
    assert {name: rule_of(name) for name in names} == dict.fromkeys(names, rule)


def test_small_losses_have_four_digits_and_all_else_two():
    found = [
        format_metric(*one) for one in (('raw/reconstruction_loss', 0.71234), ('mae', 12.3456), ('top1', 0.71234))
    ]
    assert found == ['0.7123', '12.35', '0.71']
