"""Small configs of detectors and segmentors with heads of mmdet and mmseg that no recipe here has."""

from pathlib import Path

from tests.helpers.small_models import ROOT

BACKBONE = """dict(type='convnext_dense.ConvNeXt', arch=dict(depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]),
    out_indices=(0, 1, 2, 3))"""
RUN = """
pretrained = None
sample_settings = None
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(keep=1, best=None), ema=None)
log_processor = dict(window_size=1)
val_dataloader = dict(num_workers=0, persistent_workers=False)
"""
DETECTION = f"""
_base_ = '{ROOT / 'configs/det/mask_rcnn_convnext_t_coco.py'}'
{RUN}
load, pack = dict(type='convnext_dense.LoadImage'), dict(type='mmdet.PackDetInputs')
resize = dict(type='mmdet.Resize', scale=(96, 64), keep_ratio=True)
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pipeline=[
    load, dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True), resize,
    dict(type='mmdet.RandomFlip', prob=0.5), pack]))
keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')
val_dataloader.update(dataset=dict(pipeline=[load, resize, dict(pack, meta_keys=keys)]))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, total_batch_size=2)
preprocessor = dict(type='mmdet.DetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True, pad_mask=True, pad_size_divisor=32)
backbone = {BACKBONE}
neck = dict(type='mmdet.FPN', in_channels=[8, 16, 24, 32], start_level=1, add_extra_convs='on_output',
    out_channels=16, num_outs=3)
transformer_neck = dict(type='mmdet.ChannelMapper', in_channels=[24, 32], kernel_size=1, out_channels=32,
    act_cfg=None, norm_cfg=dict(type='GN', num_groups=4), num_outs=2)
focal = dict(type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0)
l1 = dict(type='mmdet.L1Loss', loss_weight=5.0)
giou = dict(type='mmdet.GIoULoss', loss_weight=2.0)
centerness = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True)
coder = dict(type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2])
nms_cfg = dict(nms_pre=100, min_bbox_size=0, score_thr=0.001, nms=dict(type='nms', iou_threshold=0.6), max_per_img=20)
head = dict(num_classes=80, in_channels=16, stacked_convs=1, feat_channels=16)
attention = dict(embed_dims=32, num_heads=4, batch_first=True)
deformable = dict(embed_dims=32, num_heads=4, num_levels=2, num_points=2, batch_first=True)
ffn = dict(embed_dims=32, feedforward_channels=32)
hungarian = dict(type='mmdet.HungarianAssigner', match_costs=[
    dict(type='mmdet.FocalLossCost', weight=2.0), dict(type='mmdet.BBoxL1Cost', weight=5.0, box_format='xywh'),
    dict(type='mmdet.IoUCost', iou_mode='giou', weight=2.0)])
mask_costs = [dict(type='mmdet.ClassificationCost', weight=2.0),
    dict(type='mmdet.CrossEntropyLossCost', weight=5.0, use_sigmoid=True),
    dict(type='mmdet.DiceCost', weight=5.0, pred_act=True, eps=1.0)]
"""
DETECTORS = {
    'fcos': """
model = dict(_delete_=True, type='mmdet.FCOS', data_preprocessor=preprocessor, backbone=backbone, neck=neck,
    bbox_head=dict(head, type='mmdet.FCOSHead', strides=[8, 16, 32], norm_cfg=None, loss_cls=focal, loss_bbox=giou,
        regress_ranges=((-1, 64), (64, 128), (128, 1e8)), loss_centerness=centerness),
    test_cfg=nms_cfg)
""",
    'retinanet': """
model = dict(_delete_=True, type='mmdet.RetinaNet', data_preprocessor=preprocessor, backbone=backbone, neck=neck,
    bbox_head=dict(head, type='mmdet.RetinaHead', bbox_coder=coder, loss_cls=focal, loss_bbox=l1,
        anchor_generator=dict(type='mmdet.AnchorGenerator', octave_base_scale=4, scales_per_octave=2,
            ratios=[0.5, 1.0, 2.0], strides=[8, 16, 32])),
    train_cfg=dict(assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
        ignore_iof_thr=-1), sampler=dict(type='mmdet.PseudoSampler'), allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=nms_cfg)
""",
    'atss': """
model = dict(_delete_=True, type='mmdet.ATSS', data_preprocessor=preprocessor, backbone=backbone, neck=neck,
    bbox_head=dict(head, type='mmdet.ATSSHead', norm_cfg=dict(type='GN', num_groups=4), bbox_coder=coder,
        loss_cls=focal, loss_bbox=giou, loss_centerness=centerness,
        anchor_generator=dict(type='mmdet.AnchorGenerator', octave_base_scale=8, scales_per_octave=1, ratios=[1.0],
            strides=[8, 16, 32])),
    train_cfg=dict(assigner=dict(type='mmdet.ATSSAssigner', topk=9), allowed_border=-1, pos_weight=-1, debug=False),
    test_cfg=nms_cfg)
""",
    'detr': """
model = dict(_delete_=True, type='mmdet.DETR', num_queries=5, data_preprocessor=preprocessor, backbone=backbone,
    neck=dict(transformer_neck, in_channels=[8, 16, 24, 32], num_outs=1, type='mmdet.ChannelMapper'),
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(num_layers=1, return_intermediate=True,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=16, normalize=True),
    bbox_head=dict(type='mmdet.DETRHead', num_classes=80, embed_dims=32, loss_bbox=l1, loss_iou=giou,
        loss_cls=dict(type='mmdet.CrossEntropyLoss', bg_cls_weight=0.1, class_weight=1.0)),
    train_cfg=dict(assigner=dict(type='mmdet.HungarianAssigner', match_costs=[
        dict(type='mmdet.ClassificationCost', weight=1.0),
        dict(type='mmdet.BBoxL1Cost', weight=5.0, box_format='xywh'),
        dict(type='mmdet.IoUCost', iou_mode='giou', weight=2.0)])),
    test_cfg=dict(max_per_img=5))
model['backbone'] = dict(backbone, out_indices=(3,))
model['neck']['in_channels'] = [32]
""",
    'dino': """
model = dict(_delete_=True, type='mmdet.DINO', num_queries=10, with_box_refine=True, as_two_stage=True,
    data_preprocessor=preprocessor, backbone=dict(backbone, out_indices=(2, 3)), neck=transformer_neck,
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn)),
    decoder=dict(num_layers=1, return_intermediate=True, post_norm_cfg=None,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=16, normalize=True, offset=0.0, temperature=20),
    bbox_head=dict(type='mmdet.DINOHead', num_classes=80, embed_dims=32, sync_cls_avg_factor=True, loss_cls=focal,
        loss_bbox=l1, loss_iou=giou),
    dn_cfg=dict(label_noise_scale=0.5, box_noise_scale=1.0,
        group_cfg=dict(dynamic=True, num_groups=None, num_dn_queries=4)),
    train_cfg=dict(assigner=hungarian), test_cfg=dict(max_per_img=10))
""",
    'mask2former': """
model = dict(_delete_=True, type='mmdet.Mask2Former', data_preprocessor=preprocessor, backbone=backbone,
    panoptic_head=dict(type='mmdet.Mask2FormerHead', in_channels=[8, 16, 24, 32], strides=[4, 8, 16, 32],
        feat_channels=32, out_channels=32, num_things_classes=80, num_stuff_classes=53, num_queries=5,
        num_transformer_feat_level=3,
        pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder', num_outs=3, act_cfg=dict(type='ReLU'),
            norm_cfg=dict(type='GN', num_groups=4), encoder=dict(num_layers=1, layer_cfg=dict(
                self_attn_cfg=dict(deformable, num_levels=3), ffn_cfg=ffn)),
            positional_encoding=dict(num_feats=16, normalize=True)),
        positional_encoding=dict(num_feats=16, normalize=True),
        transformer_decoder=dict(num_layers=1, return_intermediate=True, init_cfg=None,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
        loss_cls=dict(type='mmdet.CrossEntropyLoss', loss_weight=2.0, class_weight=[1.0] * 133 + [0.1]),
        loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0),
        loss_dice=dict(type='mmdet.DiceLoss', use_sigmoid=True, activate=True, naive_dice=True, eps=1.0)),
    panoptic_fusion_head=dict(type='mmdet.MaskFormerFusionHead', num_things_classes=80, num_stuff_classes=53,
        loss_panoptic=None),
    train_cfg=dict(num_points=64, oversample_ratio=3.0, importance_sample_ratio=0.75,
        assigner=dict(type='mmdet.HungarianAssigner', match_costs=mask_costs),
        sampler=dict(type='mmdet.MaskPseudoSampler')),
    test_cfg=dict(panoptic_on=True, semantic_on=False, instance_on=True, max_per_image=5, iou_thr=0.8,
        filter_low_score=True))
""",
}
SEGMENTATION = f"""
_base_ = '{ROOT / 'configs/seg/upernet_convnext_a_ade20k.py'}'
{RUN}
load = dict(type='convnext_dense.LoadImage')
mask = dict(type='convnext_dense.LoadMask')
resize, pack = dict(type='mmseg.Resize', scale=(56, 40), keep_ratio=True), dict(type='mmseg.PackSegInputs')
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(pipeline=[
    load, mask, resize, dict(type='convnext_dense.RandomCrop', crop_size=(32, 32), cat_max_ratio=0.75), pack]))
val_dataloader.update(dataset=dict(pipeline=[load, resize, mask, pack]))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=2, total_batch_size=2, val_interval=2)
default_hooks['checkpoint'].update(interval=2)
preprocessor = dict(type='mmseg.SegDataPreProcessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True, pad_val=0, seg_pad_val=255, size=(32, 32))
backbone = {BACKBONE}
norm = dict(type='SyncBN', requires_grad=True)
cross_entropy = dict(type='mmseg.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)
one = dict(in_channels=32, in_index=3, channels=16, num_classes=150, norm_cfg=norm, align_corners=False,
    loss_decode=cross_entropy)
common = dict(_delete_=True, type='convnext_dense.Segmentor', data_preprocessor=preprocessor, backbone=backbone,
    train_cfg={{}}, test_cfg=dict(mode='slide', crop_size=(32, 32), stride=(20, 20)))
attention = dict(embed_dims=32, num_heads=4, batch_first=True)
ffn = dict(embed_dims=32, feedforward_channels=32)
queries = dict(in_channels=[8, 16, 24, 32], feat_channels=32, out_channels=32, num_classes=150, num_queries=5,
    positional_encoding=dict(num_feats=16, normalize=True), align_corners=False,
    transformer_decoder=dict(num_layers=1, return_intermediate=True, init_cfg=None,
        layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    loss_cls=dict(type='mmdet.CrossEntropyLoss', loss_weight=2.0, class_weight=[1.0] * 150 + [0.1]),
    loss_dice=dict(type='mmdet.DiceLoss', use_sigmoid=True, activate=True, naive_dice=True, eps=1.0))
"""
SEGMENTORS = {
    'fcn': "model = dict(common, decode_head=dict(one, type='mmseg.FCNHead', num_convs=1))",
    'deeplab': """
model = dict(common, decode_head=dict(one, type='mmseg.DepthwiseSeparableASPPHead', dilations=(1, 2), c1_in_channels=8,
    c1_channels=8), auxiliary_head=dict(one, type='mmseg.FCNHead', in_channels=24, in_index=2, num_convs=1))
""",
    'segformer': """
model = dict(common, decode_head=dict(one, type='mmseg.SegformerHead', in_channels=[8, 16, 24, 32],
    in_index=[0, 1, 2, 3]))
""",
    'ocrnet': """
model = dict(common, type='mmseg.CascadeEncoderDecoder', num_stages=2, decode_head=[
    dict(one, type='mmseg.FCNHead', num_convs=1), dict(one, type='mmseg.OCRHead', ocr_channels=8)])
""",
    'maskformer': """
model = dict(common, decode_head=dict(queries, type='mmseg.MaskFormerHead', in_index=[0, 1, 2, 3],
    pixel_decoder=dict(type='mmdet.PixelDecoder', norm_cfg=dict(type='GN', num_groups=4),
        act_cfg=dict(type='ReLU')),
    loss_mask=dict(type='mmdet.FocalLoss', use_sigmoid=True, loss_weight=20.0),
    train_cfg=dict(assigner=dict(type='mmdet.HungarianAssigner', match_costs=[
        dict(type='mmdet.ClassificationCost', weight=1.0), dict(type='mmdet.FocalLossCost', weight=20.0,
        binary_input=True), dict(type='mmdet.DiceCost', weight=1.0, pred_act=True, eps=1.0)]),
        sampler=dict(type='mmdet.MaskPseudoSampler'))))
""",
    'mask2former_seg': """
model = dict(common, decode_head=dict(queries, type='mmseg.Mask2FormerHead', strides=[4, 8, 16, 32],
    num_transformer_feat_level=3,
    pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder', num_outs=3, act_cfg=dict(type='ReLU'),
        norm_cfg=dict(type='GN', num_groups=4), encoder=dict(num_layers=1, layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=32, num_heads=4, num_levels=3, num_points=2, batch_first=True),
            ffn_cfg=ffn)), positional_encoding=dict(num_feats=16, normalize=True)),
    loss_mask=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0),
    train_cfg=dict(num_points=64, oversample_ratio=3.0, importance_sample_ratio=0.75,
        assigner=dict(type='mmdet.HungarianAssigner', match_costs=[
            dict(type='mmdet.ClassificationCost', weight=2.0),
            dict(type='mmdet.CrossEntropyLossCost', weight=5.0, use_sigmoid=True),
            dict(type='mmdet.DiceCost', weight=5.0, pred_act=True, eps=1.0)]),
        sampler=dict(type='mmdet.MaskPseudoSampler'))))
""",
}


def write_head(name: str, folder: Path) -> Path:
    """Write the config of a name in :data:`DETECTORS` or :data:`SEGMENTORS`."""
    content = DETECTION + DETECTORS[name] if name in DETECTORS else SEGMENTATION + SEGMENTORS[name]
    path = folder / f'{name}.py'
    path.write_text(content)
    return path
