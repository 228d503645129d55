"""Small configs of mmdet's panoptic models, and a small data set of drawn things and stuff for them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.other_heads import DETECTION, DETECTORS, RUN
from tests.helpers.small_models import ROOT

THINGS, STUFF = ['cat', 'dog'], ['sky', 'grass', 'road']
IDS = {'sky': 40, 'cat': 7, 'grass': 50, 'dog': 3, 'road': 60}
"""Categories in the order of the file, which is not that of the labels."""
_PARTS = DETECTION[DETECTION.index('preprocessor = ') :].replace('pad_mask=True', 'pad_mask=True, pad_seg=True')
PANOPTIC = f"""
_base_ = ['{ROOT / 'configs/_base_/datasets/coco_panoptic.py'}', '{ROOT / 'configs/_base_/schedules/coco_3x.py'}']
{RUN.replace('dict(keep=1, best=None)', "dict(keep=1, best='raw/PQ')")}
optim_wrapper.update(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
load, pack = dict(type='convnext_dense.LoadImage'), dict(type='mmdet.PackDetInputs')
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pipeline=[
    load, dict(type='convnext_dense.LoadPanoptic'), dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='mmcv.RandomResize', scale=(96, 64), ratio_range=(0.75, 1.25), keep_ratio=True,
        resize_type='mmdet.Resize'),
    dict(type='mmdet.RandomCrop', crop_type='absolute', crop_size=(96, 64), recompute_bbox=True,
        allow_negative_crop=True), pack]))
keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'panoptic')
val_dataloader.update(dataset=dict(pipeline=[
    load, dict(type='mmdet.Resize', scale=(96, 64), keep_ratio=True), dict(pack, meta_keys=keys)]))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, total_batch_size=2)
{_PARTS}
"""
MODELS = {
    'mask2former': DETECTORS['mask2former'].replace('_delete_=True, ', ''),
    'panoptic_fpn': """
model = dict(type='mmdet.PanopticFPN', data_preprocessor=preprocessor, backbone=backbone,
    neck=dict(type='mmdet.FPN', in_channels=[8, 16, 24, 32], out_channels=16, num_outs=5),
    rpn_head=dict(type='mmdet.RPNHead', in_channels=16, feat_channels=16, loss_bbox=l1, bbox_coder=coder,
        anchor_generator=dict(type='mmdet.AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64]), loss_cls=centerness),
    roi_head=dict(type='mmdet.StandardRoIHead',
        bbox_roi_extractor=dict(type='convnext_dense.RoIExtractor', out_channels=16, featmap_strides=[4, 8, 16, 32],
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)),
        bbox_head=dict(type='mmdet.Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, roi_feat_size=7,
            num_classes=80, bbox_coder=coder, loss_cls=dict(type='mmdet.CrossEntropyLoss'), loss_bbox=l1),
        mask_roi_extractor=dict(type='convnext_dense.RoIExtractor', out_channels=16, featmap_strides=[4, 8, 16, 32],
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0)),
        mask_head=dict(type='mmdet.FCNMaskHead', num_convs=1, in_channels=16, conv_out_channels=16, num_classes=80,
            loss_mask=dict(type='mmdet.CrossEntropyLoss', use_mask=True))),
    semantic_head=dict(type='mmdet.PanopticFPNHead', num_things_classes=80, num_stuff_classes=53, in_channels=16,
        inner_channels=16, norm_cfg=dict(type='GN', num_groups=4),
        loss_seg=dict(type='mmdet.CrossEntropyLoss', ignore_index=255, loss_weight=0.5)),
    panoptic_fusion_head=dict(type='mmdet.HeuristicFusionHead', num_things_classes=80, num_stuff_classes=53),
    train_cfg=dict(
        rpn=dict(assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3,
            match_low_quality=True), sampler=dict(type='mmdet.RandomSampler', num=32, pos_fraction=0.5,
            neg_pos_ub=-1, add_gt_as_proposals=False), allowed_border=-1, pos_weight=-1, debug=False),
        rpn_proposal=dict(nms_pre=50, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5,
            match_low_quality=True), sampler=dict(type='mmdet.RandomSampler', num=16, pos_fraction=0.25,
            neg_pos_ub=-1, add_gt_as_proposals=True), mask_size=28, pos_weight=-1, debug=False)),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5, class_agnostic=True), max_per_img=10,
            mask_thr_binary=0.5),
        panoptic=dict(mask_overlap=0.5, stuff_area_limit=64)))
""",
}


def write_panoptic_head(name: str, folder: Path) -> Path:
    """Write the config of a name in :data:`MODELS`."""
    path = folder / f'panoptic_{name}.py'
    path.write_text(PANOPTIC + MODELS[name])
    return path


def write_panoptic_data(root: Path, train: int = 4, val: int = 2) -> Path:
    """Write COCO's layout of panoptic data: bands of stuff, cats and dogs on them, a strip of nothing."""
    for split, count, number in (('train', train, 100), ('val', val, 200)):
        annotations, images = [], []
        pngs = root / f'annotations/panoptic_{split}2017'
        for folder in (pngs, root / f'{split}2017'):
            folder.mkdir(parents=True)
        for image_id in range(number, number + count):
            rng = np.random.default_rng(image_id)
            ids, segments = draw_scene(rng)
            pixels = np.stack([ids * 5 % 256, ids * 11 % 256, ids * 29 % 256], -1).astype(np.uint8)
            Image.fromarray(pixels).save(root / f'{split}2017/{image_id}.png')
            Image.fromarray(np.stack([ids & 255, ids >> 8 & 255, ids >> 16], -1).astype(np.uint8)).save(
                pngs / f'{image_id}.png'
            )
            images.append(dict(id=image_id, file_name=f'{image_id}.png', height=64, width=96))
            annotations.append(dict(image_id=image_id, file_name=f'{image_id}.png', segments_info=segments))
        categories = [dict(id=number, name=name, isthing=int(name in THINGS)) for name, number in IDS.items()]
        (root / f'annotations/panoptic_{split}2017.json').write_text(
            json.dumps(dict(images=images, annotations=annotations, categories=categories))
        )
    return root


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """Ids of the segments of a scene of 64 x 96 pixels, and their entries; the last dog is a crowd."""
    ids = np.zeros((64, 96), np.int64)
    names = {}
    for place, name in enumerate(STUFF):
        ids[4 + 20 * place : 24 + 20 * place] = place + 1
        names[place + 1] = name
    for number in range(1000, 1004):
        top, left = rng.integers(4, 40), rng.integers(70)
        ids[top : top + rng.integers(8, 24), left : left + rng.integers(8, 26)] = number
        names[number] = THINGS[int(rng.integers(2))]
    names[1003] = 'dog'
    segments = []
    for number, name in names.items():
        rows, columns = (np.flatnonzero((ids == number).any(axis)) for axis in (1, 0))
        if len(rows):
            box = [columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]
            area = int((ids == number).sum())
            crowd = int(number == 1003)
            segments.append(dict(id=number, category_id=IDS[name], area=area, bbox=list(map(int, box)), iscrowd=crowd))
    return ids, segments
