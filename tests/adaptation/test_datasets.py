"""Tests of the data of an adapted config."""

import pytest

from convnext_dense.adaptation.datasets import adapt_data
from convnext_dense.adaptation.notes import NotAdaptable, Notes
from convnext_dense.adaptation.packaged import base_config
from convnext_dense.adaptation.pipelines import Reader
from convnext_dense.adaptation.sources import find_source
from convnext_dense.models import detector  # noqa: F401 - registers mmdet
from convnext_dense.tasks import TASKS


def adapted(name, task='detection', **changes):
    source = find_source(name)
    source.cfg.merge_from_dict(changes)
    reader = Reader(source.package, TASKS[task].adaptation, True, Notes())
    return adapt_data(source.cfg, reader), reader.notes


def test_data_sets_are_those_of_the_base_with_the_pipelines_of_the_source():
    data, notes = adapted('mmdet:retinanet/retinanet_r50_fpn_1x_coco.py')
    train = data.config['train_dataloader']
    assert train.keys() == {'batch_size', 'dataset'}
    assert train['dataset'].keys() == {'filter_cfg', 'pipeline'}
    assert train['dataset']['filter_cfg'] == {'filter_empty_gt': True, 'min_size': 32}
    assert data.config['test_dataloader'] == data.config['val_dataloader']
    assert notes == Notes()
    # what mmdet leaves out of filter_cfg is off, not as in the base
    data, _ = adapted('mmdet:retinanet/retinanet_r50_fpn_1x_coco.py', **{'train_dataloader.dataset.filter_cfg': None})
    assert data.config['train_dataloader']['dataset']['filter_cfg'] == {'filter_empty_gt': False, 'min_size': 0}


def test_cached_mosaic_becomes_one_of_the_whole_data_set():
    data, notes = adapted('mmdet:rtmdet/rtmdet-ins_s_8xb32-300e_coco.py')
    train = data.config['train_dataloader']
    outer = train['dataset']
    assert (outer['_delete_'], outer['type']) == (True, 'convnext_dense.MixedImages')
    assert [step['type'] for step in outer['dataset']['pipeline']] == [
        'convnext_dense.LoadImage',
        'mmdet.LoadAnnotations',
    ]
    kinds = [step['type'] for step in outer['pipeline']]
    assert kinds[0] == 'convnext_dense.Mosaic'
    assert 'convnext_dense.MixUp' in kinds
    assert 'mmdet.LoadAnnotations' not in kinds
    assert outer['dataset']['annotations'] == base_config('datasets/coco.py').train_dataloader.dataset.annotations
    assert train['batch_sampler'] is None
    assert any('draw their images from the whole data set' in line for line in notes.changed)


def test_wrappers_are_kept_or_said():
    data, _ = adapted('mmdet:lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py')
    outer = data.config['train_dataloader']['dataset']
    assert (outer['type'], outer['oversample_thr']) == ('ClassBalancedDataset', 1e-3)
    assert outer['dataset']['type'] == 'convnext_dense.CocoDataset'
    data, notes = adapted('mmdet:pascal_voc/faster-rcnn_r50_fpn_1x_voc0712.py')
    assert data.repeats == 3
    assert '2 data sets become one: --data names one data set (several: docs/extending.md)' in notes.changed
    assert any('VOCDataset and VOCMetric' in line for line in notes.changed)


def test_other_kinds_of_data_and_metrics_are_said():
    def changed(name, task='detection', **changes):
        return ' '.join(adapted(name, task, **changes)[1].changed)

    assert 'ClassAwareSampler becomes SeededSampler' in changed(
        'mmdet:openimages/faster-rcnn_r50_fpn_32xb2-cas-1x_openimages.py'
    )
    said = changed('mmseg:unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py', 'segmentation')
    assert 'in place of DRIVEDataset' in said
    assert 'mDice becomes mIoU' in said
    _, notes = adapted('mmdet:retinanet/retinanet_r50_fpn_1x_coco.py', **{'train_dataloader.dataset.filter_cfg.x': 1})
    assert 'filter_cfg.x is left out' in notes.undecided[0]


def test_masks_alone_are_measured_where_the_source_measures_them_alone():
    data, _ = adapted('mmdet:solo/solo_r50_fpn_1x_coco.py')
    assert data.config['val_evaluator'] == data.config['test_evaluator'] == {'iou_types': ('segm',)}
    assert 'val_evaluator' not in adapted('mmdet:mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py')[0].config


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'train_dataloader': None}, 'it is for testing alone'),
        ({'train_dataloader.dataset.return_classes': True}, 'reads the names of the classes as text'),
    ],
)
def test_sources_without_data_like_ours_are_refused(changes, message):
    with pytest.raises(NotAdaptable, match=message):
        adapted('mmdet:retinanet/retinanet_r50_fpn_1x_coco.py', **changes)
