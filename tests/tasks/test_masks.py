"""Masks are left out of detectors for data of boxes alone, and nothing else is."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope

from convnext_dense.config.read import read_config
from convnext_dense.data.class_choice import ClassChoice
from convnext_dense.data.dense import collate_dense
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.registry import DATASETS
from convnext_dense.tasks import DataOptions
from convnext_dense.tasks.detection import DetectionTask
from convnext_dense.tasks.masks import (
    BOXES_ONLY,
    NO_MASKS,
    Learns,
    describe_boxes_only,
    find_learning,
    keep_objects_without_mask,
    leave_out_masks,
)
from tests.helpers import coco_files
from tests.helpers.other_heads import write_head

TASK = DetectionTask()
CASCADE, MASK_RCNN = (f'configs/det/{name}_convnext_{{}}_coco.py' for name in ('cascade', 'mask_rcnn'))
SAID = f'boxes only, since {NO_MASKS}: mask head, loading of masks and mask AP are left out'
CROPS = 'train_dataloader.dataset.pipeline.3.transforms'
SMALL = {
    **{f'{CROPS}.{place}.scales': [(96, 64)] for place in ('0.0', '1.0', '1.2')},
    f'{CROPS}.1.1.crop_size': (40, 50),
    'model.train_cfg.rpn_proposal.max_per_img': 40,
    **{f'model.train_cfg.rcnn.{stage}.sampler.num': 32 for stage in range(3)},
}
LOAD = dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)


def write(root: Path, train: tuple[int, ...] = (), val: tuple[int, ...] = ()) -> str:
    """Write COCO files in which the annotations of these ids have masks."""
    for split, masked in (('train', train), ('val', val)):
        content = coco_files.content()
        for annotation in content['annotations']:
            if annotation['id'] not in masked:
                del annotation['segmentation']
        coco_files.write(root, content, split)
    return str(root)


@pytest.fixture(scope='module')
def boxes(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp('boxes'))


@pytest.fixture(scope='module')
def partly(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp('partly'), (1, 5), (1, 5))


def read(config: str, data: str | None, options: dict | None = None, **arguments) -> Config:
    return read_config(config, options, data, **{'reads': 'train', 'needs_data': data is not None, **arguments})


def whole(cfg: Config) -> dict:
    """A config as a dict, without what differs in writing alone."""
    content = cfg.to_dict()
    content.pop(BOXES_ONLY, None)
    content['model']['backbone'].pop('out_indices', None)  # all four, which is also the default
    if content['model']['type'] == 'mmdet.MaskRCNN':
        content['model']['type'] = 'mmdet.FasterRCNN'
    for key in ('sample_settings', 'pretrained'):
        content.pop(key)
    return content


@pytest.mark.parametrize(
    ('config', 'named'),
    [
        *((CASCADE.format(arch), f'configs/det/cascade_rcnn_convnext_{arch}_coco.py') for arch in 'atsb'),
        (MASK_RCNN.format('t'), 'configs/det/faster_rcnn_convnext_t_coco.py'),
    ],
)
def test_a_config_with_masks_becomes_the_named_one_for_boxes(boxes, config, named):
    cfg = read(config, boxes)
    assert whole(cfg) == whole(read(named, boxes))
    assert describe_boxes_only(cfg) == TASK.describe_masks(cfg) == SAID
    assert 'mask' not in str({key: cfg.model[key] for key in ('train_cfg', 'test_cfg')})
    assert describe_boxes_only(read(named, boxes)) == ''  # there was nothing to leave out


def losses(cfg: Config) -> tuple[dict, dict]:
    """The parameters of a model, and its losses on two images of the data set."""
    torch.manual_seed(0)
    model = revert_sync_batchnorm(build_model(cfg))
    model.init_weights()
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    batch = model.train().data_preprocessor(collate_dense([dataset[place, 3] for place in (0, 1)]), True)
    torch.manual_seed(1)
    found = model.loss(batch['inputs'], batch['data_samples'])
    return dict(model.state_dict()), {
        name: torch.stack([one.detach() for one in value]) if isinstance(value, list) else value.detach()
        for name, value in found.items()
    }


@pytest.mark.parametrize('arch', ['a', 't'])
def test_parameters_and_losses_are_those_of_the_named_config(boxes, arch):
    found = [
        losses(read(name, boxes, SMALL))
        for name in (CASCADE.format(arch), f'configs/det/cascade_rcnn_convnext_{arch}_coco.py')
    ]
    (one, of_one), (other, of_other) = found
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert of_one.keys() == of_other.keys() and 's2.loss_bbox' in of_one
    assert all(torch.equal(value, of_other[name]) for name, value in of_one.items())
    assert not any('mask' in name for name in (*one, *of_one))


def test_one_mask_is_enough_to_learn_masks(partly):
    cfg = read(CASCADE.format('a'), partly)
    assert BOXES_ONLY not in cfg and describe_boxes_only(cfg) == ''
    assert cfg.model.roi_head.mask_head.type == 'convnext_dense.FCNMaskHead'
    assert cfg.train_dataloader.dataset.keeps_unmasked is True
    assert 'keeps_unmasked' not in cfg.val_dataloader.dataset


def test_the_boxes_of_objects_without_a_mask_are_learned_as_with_one(tmp_path, partly):
    complete = write(tmp_path, (1, 2, 3, 4, 5, 6))
    (_, some), (_, whole_file) = (losses(read(CASCADE.format('a'), data, SMALL)) for data in (partly, complete))
    assert some.keys() == whole_file.keys()
    differ = {name for name, value in some.items() if not torch.equal(value, whole_file[name])}
    assert differ == {'s0.loss_mask', 's1.loss_mask', 's2.loss_mask'}
    assert all(some[name] > 0 for name in differ)


def test_masks_of_validation_do_not_count(tmp_path):
    cfg = read(CASCADE.format('a'), write(tmp_path, val=(1, 2, 3, 4, 5, 6)))
    assert cfg.model.roi_head.mask_head is None
    assert cfg.val_evaluator.iou_types == cfg.test_evaluator.iou_types == ('bbox',)


@pytest.mark.parametrize(('classes', 'learns'), [('red', True), ('green', False), ('blue,green', False)])
def test_the_masks_of_the_chosen_classes_count(partly, classes, learns):
    choice = ClassChoice(tuple(classes.split(',')))
    cfg = read(CASCADE.format('a'), partly, data_options=DataOptions(choice=choice))
    assert (cfg.model.roi_head.mask_head is not None) is learns


def test_the_user_may_leave_masks_out(tmp_path):
    root = write(tmp_path, (1, 2, 3, 4, 5, 6), (1,))
    cfg = read(CASCADE.format('a'), root, {BOXES_ONLY: True})
    assert cfg.model.roi_head.mask_head is None and not cfg.train_dataloader.dataset.pipeline[1].with_mask
    assert describe_boxes_only(cfg).startswith('boxes only, since boxes_only is set: ')
    assert read(CASCADE.format('a'), root, {BOXES_ONLY: False}).model.roi_head.mask_head is not None


def test_a_checkpoint_without_masks_decides_whatever_the_data_have(tmp_path):
    root = write(tmp_path, (1, 2, 3, 4, 5, 6), (1, 2))
    for arguments in (dict(data=root), dict(data=root, reads='test'), dict(data=None)):
        cfg = read(CASCADE.format('a'), boxes_only=True, **arguments)
        assert (cfg.model.roi_head.mask_head, cfg.model.roi_head.mask_roi_extractor) == (None, None)
        assert 'since the checkpoint is of a detector without masks' in describe_boxes_only(cfg)
    cfg = read(CASCADE.format('a'), root, reads='test')  # the data tested do not decide
    assert cfg.model.roi_head.mask_head is not None


def test_loading_is_left_out_also_inside_wrappers_and_views(boxes):
    cfg = read(CASCADE.format('a'), None)
    plain = copy.deepcopy(cfg.train_dataloader.dataset)
    for split in ('annotations', 'images'):
        plain[split] = str(
            Path(boxes, {'annotations': 'annotations/instances_train2017.json'}.get(split, 'train2017'))
        )
    plain.pipeline[1] = dict(type='RandomApply', transforms=[copy.deepcopy(LOAD)], prob=1.0)
    plain.pipeline.append(dict(type='mmdet.FilterAnnotations', by_box=False, by_mask=True))
    mixed = dict(type='mmdet.MultiImageMixDataset', dataset=plain, pipeline=[dict(type='mmdet.PackDetInputs')])
    both = dict(type='ConcatDataset', datasets=[mixed, dict(type='RepeatDataset', times=2, dataset=plain)])
    cfg.train_dataloader.dataset = both
    cfg.tta_pipeline[1].transforms.append([copy.deepcopy(LOAD)])
    cfg.test_dataloader.dataset.pipeline.insert(1, copy.deepcopy(LOAD))
    assert TASK.leave_out_masks(cfg, reads_data=True)
    text = str(cfg.to_dict())
    assert "'with_mask': True" not in text and text.count("'with_mask': False") == 4
    assert "'by_box': True, 'by_mask': False" in text


def test_metrics_and_settings_of_masks_become_those_of_boxes(boxes):
    cfg = read(CASCADE.format('a'), None)
    cfg.default_hooks.checkpoint.best = 'ema/mask_AP50'
    cfg.custom_hooks = [
        dict(type='convnext_dense.EarlyStopping', monitor='raw/mask_AP', patience=3),
        dict(type='Own', metric=['coco/segm_mAP', 'coco/bbox_mAP'], losses=('train/s0.loss_mask', 'loss_cls')),
    ]
    cfg.param_scheduler.append(dict(type='ReduceOnPlateauLR', monitor='loss_mask', rule='less'))
    cfg.val_evaluator = [
        dict(type='convnext_dense.CocoAP'),
        dict(type='mmdet.CocoMetric', metric=['bbox', 'segm']),
        dict(type='mmdet.CocoMetric', metric='segm'),
    ]
    keys = {'roi_head.mask_head': dict(lr_mult=2.0), 'neck': dict(lr_mult=3.0)}
    cfg.optim_wrapper.paramwise_cfg.custom_keys = keys
    cfg[BOXES_ONLY] = True
    assert leave_out_masks(cfg)
    assert cfg.default_hooks.checkpoint.best == 'ema/box_AP50'
    assert cfg.custom_hooks[0].monitor == 'raw/box_AP'
    assert cfg.custom_hooks[1].metric == ['coco/bbox_mAP', 'coco/bbox_mAP']
    assert cfg.custom_hooks[1].losses == ('train/loss', 'loss_cls')
    assert cfg.param_scheduler[-1].monitor == 'loss'
    assert cfg.val_evaluator[0].iou_types == ('bbox',)
    assert [one.metric for one in cfg.val_evaluator[1:]] == [['bbox'], 'bbox']
    assert list(cfg.optim_wrapper.paramwise_cfg.custom_keys) == ['neck']
    before = copy.deepcopy(cfg.to_dict())
    assert leave_out_masks(cfg) and cfg.to_dict() == before  # again changes nothing


MASK_HEAD = dict(type='mmdet.FCNMaskHead')


@pytest.mark.parametrize(
    ('model', 'learns'),
    [
        (dict(type='mmdet.MaskRCNN', roi_head=dict(type='mmdet.StandardRoIHead', mask_head=MASK_HEAD)), Learns.HEAD),
        (dict(type='MaskRCNN', roi_head=dict(type='StandardRoIHead', mask_head=MASK_HEAD)), Learns.HEAD),
        (dict(type='mmdet.QueryInst', roi_head=dict(type='mmdet.SparseRoIHead', mask_head=[MASK_HEAD])), Learns.HEAD),
        (dict(type='Own', roi_head=dict(type='OwnRoIHead', mask_head=MASK_HEAD)), Learns.HEAD),
        (dict(type='mmdet.FasterRCNN', roi_head=dict(type='mmdet.StandardRoIHead', mask_head=None)), Learns.NONE),
        (dict(type='mmdet.RetinaNet', bbox_head=dict(type='mmdet.RetinaHead')), Learns.NONE),
        (dict(type='mmdet.BoxInst', bbox_head=dict(type='mmdet.BoxInstBboxHead')), Learns.NONE),
        (dict(type='mmdet.RetinaNet', bbox_head=dict(type='OwnHead')), Learns.UNKNOWN),
        (dict(type='Own'), Learns.UNKNOWN),
        (dict(type='mmdet.CondInst', bbox_head=dict(type='mmdet.CondInstBboxHead')), Learns.NEEDS),
        (dict(type='mmdet.SOLOv2'), Learns.NEEDS),
        (dict(type='mmdet.YOLACT'), Learns.NEEDS),
        (dict(type='mmdet.Mask2Former'), Learns.NEEDS),
        (dict(type='mmdet.PanopticFPN', roi_head=dict(type='mmdet.StandardRoIHead', mask_head=None)), Learns.NEEDS),
        (dict(type='mmdet.RTMDet', bbox_head=dict(type='mmdet.RTMDetInsSepBNHead')), Learns.NEEDS),
        (
            dict(type='mmdet.PointRend', roi_head=dict(type='mmdet.PointRendRoIHead', mask_head=MASK_HEAD)),
            Learns.NEEDS,
        ),
        (
            dict(type='mmdet.MaskScoringRCNN', roi_head=dict(type='mmdet.MaskScoringRoIHead', mask_head=MASK_HEAD)),
            Learns.NEEDS,
        ),
    ],
)
def test_what_detectors_learn_of_masks(model, learns):
    assert find_learning(model) is learns


def test_a_detector_that_learns_from_masks_is_refused_with_a_config_for_boxes(boxes, tmp_path):
    config = str(write_head('mask2former', tmp_path))
    line = (
        'Mask2Former learns from masks, and the training data have no masks: annotate masks, or take a config for '
        'boxes, such as configs/det/cascade_rcnn_convnext_t_coco.py'
    )
    with pytest.raises(UserError) as error:
        read(config, boxes)
    assert str(error.value) == line
    with pytest.raises(UserError, match='learns from masks, and boxes_only is set: '):
        read(config, None, {BOXES_ONLY: True})
    read(config, boxes, boxes_only=True, reads='test')  # its weights have no RoI heads, which says nothing


@pytest.mark.parametrize('name', ['fcos', 'dino'])
def test_a_detector_without_masks_loads_none(name, tmp_path, boxes, partly):
    config = str(write_head(name, tmp_path))
    for data in (None, boxes, partly):
        cfg = read(config, data)
        assert cfg.train_dataloader.dataset.pipeline[1].with_mask is False
        assert BOXES_ONLY not in cfg and describe_boxes_only(cfg) == ''


def test_a_model_of_another_package_loads_masks_where_there_are_some(boxes, partly):
    for data, loads in ((boxes, False), (partly, True)):
        cfg = read(CASCADE.format('a'), None)
        TASK.point_at(cfg, data)
        cfg.model = dict(type='Own')
        assert leave_out_masks(cfg, reads_data=True) is not loads
        assert cfg.train_dataloader.dataset.pipeline[1].with_mask is loads
        assert BOXES_ONLY not in cfg


def test_data_that_can_not_be_read_decide_nothing(tmp_path, boxes):
    cfg = read(CASCADE.format('a'), None)
    TASK.point_at(cfg, boxes)
    for dataset in (
        dict(type='mmdet.CocoDataset', ann_file='a.json'),
        dict(cfg.train_dataloader.dataset, annotations=str(tmp_path / 'missing.json')),
        dict(type='ConcatDataset', datasets=[cfg.train_dataloader.dataset, dict(type='mmdet.CocoDataset')]),
    ):
        cfg.train_dataloader.dataset = dataset
        assert not leave_out_masks(cfg, reads_data=True)
    panoptic = '{"categories": [], "images": [], "annotations": [{"image_id": 1, "segments_info": []}]}'
    for text in ('{"annotations": [', panoptic):
        (tmp_path / 'other.json').write_text(text)
        cfg.train_dataloader.dataset = dict(
            type='convnext_dense.CocoDataset', images='', annotations=str(tmp_path / 'other.json')
        )
        assert not leave_out_masks(cfg, reads_data=True)


def test_masks_in_one_of_several_files_are_learned(tmp_path, boxes):
    masked = write(tmp_path, (1, 2, 3, 4, 5, 6))
    cfg = read(CASCADE.format('a'), None)
    parts = []
    for root in (boxes, masked):
        TASK.point_at(cfg, root)
        parts.append(copy.deepcopy(cfg.train_dataloader.dataset))
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=parts)
    assert not leave_out_masks(cfg, reads_data=True)
    TASK.settle(cfg)
    assert [one.keeps_unmasked for one in cfg.train_dataloader.dataset.datasets] == [True, True]
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert [len(dataset.get_data_info(place)['instances']) for place in (0, 3)] == [3, 3]
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[parts[0], dict(parts[0])])
    assert leave_out_masks(cfg, reads_data=True)


@pytest.mark.parametrize(
    ('roi_head', 'step', 'keeps'),
    [
        ({}, None, True),
        (dict(type='mmdet.DynamicRoIHead'), None, True),
        (dict(type='mmdet.PISARoIHead'), None, True),
        (dict(type='mmdet.MaskScoringRoIHead'), None, False),
        (dict(type='mmdet.SparseRoIHead'), None, False),
        (dict(mask_head=dict(type='mmdet.HTCMaskHead')), None, False),
        (dict(mask_head=[MASK_HEAD, dict(type='mmdet.CoarseMaskHead')]), None, False),
        (dict(mask_head=[dict(MASK_HEAD), dict(MASK_HEAD)]), None, True),
        (dict(mask_head=None), None, False),
        ({}, dict(type='mmdet.RandomCrop', crop_size=(40, 50), recompute_bbox=True), False),
        ({}, dict(type='mmdet.CopyPaste'), False),
        ({}, dict(type='mmdet.RandomErasing', n_patches=3, ratio=0.1), False),
        ({}, dict(LOAD, poly2mask=False), False),
        ({}, dict(type='mmdet.Expand'), True),
    ],
)
def test_objects_without_a_mask_are_kept_where_the_head_can_leave_them_out(roi_head, step, keeps):
    cfg = read(MASK_RCNN.format('t'), None)
    cfg.model.roi_head.update(copy.deepcopy(roi_head))
    if step:
        cfg.train_dataloader.dataset.pipeline.append(step)
    before = copy.deepcopy(cfg.model.roi_head.mask_head)
    assert keep_objects_without_mask(cfg) is keeps
    heads = cfg.model.roi_head.mask_head
    if keeps:
        assert {head.type for head in (heads if isinstance(heads, list) else [heads])} == {
            'convnext_dense.FCNMaskHead'
        }
    else:
        assert heads == before
