"""What configs of mmdet and mmseg get by the task that they are of."""

import copy

import pytest
from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from convnext_dense.config.find import packaged_path
from convnext_dense.models import detector  # noqa: F401 - registers mmdet
from convnext_dense.tasks import TASKS
from convnext_dense.tasks.adaptation import DetectorAdaptation, PanopticAdaptation, SegmentorAdaptation
from convnext_dense.tasks.masks import Learns

ADAPTATIONS = (DetectorAdaptation(), SegmentorAdaptation(), PanopticAdaptation())
NMS = {'type': 'nms', 'iou_threshold': 0.6}


@pytest.mark.parametrize(
    ('library', 'data', 'task'),
    [
        ('mmdet', 'CocoDataset', 'detection'),
        ('mmdet', 'OpenImagesDataset', 'detection'),
        ('mmdet', 'CocoPanopticDataset', 'panoptic'),
        ('mmdet', '', None),
        ('mmseg', 'ADE20KDataset', 'segmentation'),
        ('mmseg', '', 'segmentation'),
    ],
)
def test_a_config_is_of_one_task_at_most(library, data, task):
    takers = [name for name, one in TASKS.items() if one.adaptation and one.adaptation.takes(library, data)]
    assert takers == [task] * (task is not None)


@pytest.mark.parametrize('adaptation', ADAPTATIONS)
def test_the_files_and_steps_that_it_names_are_there(adaptation):
    base = Config.fromfile(packaged_path(f'_base_/{adaptation.base}'))
    assert packaged_path(f'_base_/sample/{adaptation.sample}').is_file()
    assert packaged_path(adaptation.recipe.format('', 't')).is_file()
    assert TASKS[base.task].adaptation.base == adaptation.base
    assert adaptation.best == f'raw/{next(iter(TASKS[base.task].metrics.labels))}'
    assert base.val_evaluator.type.rpartition('.')[2] in adaptation.metric
    steps = [*base.train_dataloader.dataset.pipeline, *base.val_dataloader.dataset.pipeline]
    if adaptation.loading:
        assert adaptation.loading in [step.type for step in steps] and TRANSFORMS.get(adaptation.loading)
    assert [step.meta_keys[-1] for step in steps if 'meta_keys' in step] == [
        truth for truth in [adaptation.ground_truth] if truth
    ]


def test_only_detectors_may_learn_masks_or_not():
    faster_rcnn = {'type': 'FasterRCNN', 'roi_head': {'type': 'StandardRoIHead'}}
    assert [one.find_learning(faster_rcnn) for one in ADAPTATIONS] == [Learns.NONE, None, None]


def test_views_are_merged_by_the_nms_of_the_source_or_of_the_model():
    merge = DetectorAdaptation().merge_views
    model = {'test_cfg': {'rpn': {'nms': NMS}, 'rcnn': {'nms': NMS, 'max_per_img': 30}}}
    merged = merge(model, {})
    assert merged == {'type': 'convnext_dense.DetectorTTA', 'nms': NMS, 'max_per_img': 30}
    before = copy.deepcopy(model)
    merged['nms']['iou_threshold'] = 0.1
    assert model == before
    assert merge(model, {'nms': dict(NMS, iou_threshold=0.4)})['nms']['iou_threshold'] == 0.4
    assert merge(model, {'nms': dict(NMS, iou_threshold=0.4)})['max_per_img'] == 100
    assert merge({'test_cfg': {'max_per_img': 9}}, {}) is None  # as of a DETR
    assert PanopticAdaptation().merge_views(model, {'nms': NMS}) is None
    segmentor = SegmentorAdaptation().merge_views({'test_cfg': {'mode': 'slide'}}, {})
    assert segmentor == {'type': 'convnext_dense.SegmentorTTA', 'mode': 'slide'}
    assert SegmentorAdaptation().merge_views({}, {})['mode'] == 'whole'
