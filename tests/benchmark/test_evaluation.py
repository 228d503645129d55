"""The metrics of mmseg and mmdet agree with ours on the predictions that they are timed on."""

import pytest
import torch

from convnext_dense.benchmark import evaluation as module
from convnext_dense.benchmark.evaluation import evaluation
from convnext_dense.benchmark.setting import Setting
from convnext_dense.evaluation import IoU
from convnext_dense.io.image_size import ImageSize

pytestmark = pytest.mark.usefixtures('two_rounds')
SETTING = Setting(torch.device('cpu'), seconds=0)


def test_results_agree(capfd):
    labels, miou, coco, masks = evaluation(SETTING, 2, ImageSize(64, 96))
    assert [(row.name, row.layout) for row in labels.rows] == [
        ('ours', 'channels_last'),
        ('mmseg, channels_last', 'channels_last'),
        ('mmseg', 'NCHW'),
    ]
    assert [row.name for row in miou.rows] == ['ours', 'mmseg']
    assert [row.name for row in coco.rows] == ['ours', 'mmdet']
    assert (miou.items, coco.items, masks.items, masks.unit) == (2, 2, 100, 'masks')
    for series in (labels, miou, coco, masks):
        assert not series.failures()
        assert all(len(row.seconds) == 2 for row in series.rows)
    assert 0 < miou.rows[1].difference < 1e-3  # mmseg rounds
    assert labels.rows[1].difference <= 1e-5 and masks.rows[1].difference == 0
    assert not capfd.readouterr().out  # the metrics' own tables


def test_another_result_is_refused(monkeypatch):
    count = IoU._count
    monkeypatch.setattr(IoU, '_count', lambda self, *parts: count(self, *parts).roll(1, 0))
    assert 'is off by' in module._miou(SETTING, 1, (64, 96)).rows[1].problem


def test_other_labels_are_refused(monkeypatch):
    from convnext_dense.models import label_map as labels

    found = labels.label_map
    monkeypatch.setattr(labels, 'label_map', lambda *arguments: found(*arguments).roll(1, 0))
    assert all('is off by' in row.problem for row in module._labels(SETTING, (64, 96)).rows[1:])
