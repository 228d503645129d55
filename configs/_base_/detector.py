# What Mask R-CNN and Cascade Mask R-CNN share: preprocessing, FPN, RPN, mask head, training and test settings.
_base_ = './runtime.py'

custom_imports = dict(
    imports=['convnext_dense', 'convnext_dense.data.detection.dataset', 'convnext_dense.models.detector']
)
default_scope = 'mmdet'
task = 'detection'

model = dict(
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_mask=True,
        pad_size_divisor=32,
    ),
    neck=dict(type='mmdet.FPN', in_channels=[96, 192, 384, 768], out_channels=256, num_outs=5),
    rpn_head=dict(
        type='mmdet.RPNHead',
        in_channels=256,
        feat_channels=256,
        anchor_generator=dict(
            type='mmdet.AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]
        ),
        bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4),
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            type='convnext_dense.RoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_roi_extractor=dict(
            type='convnext_dense.RoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=256,
            featmap_strides=[4, 8, 16, 32],
        ),
        mask_head=dict(
            type='mmdet.FCNMaskHead',
            num_convs=4,
            in_channels=256,
            conv_out_channels=256,
            num_classes=80,
            loss_mask=dict(type='mmdet.CrossEntropyLoss', use_mask=True, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
            ),
            sampler=dict(
                type='mmdet.RandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1, add_gt_as_proposals=False
            ),
            pos_weight=-1,
            debug=False,
        ),
        rpn_proposal=dict(nms_pre=2000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=1000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=100, mask_thr_binary=0.5),
    ),
)

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=36, total_batch_size=16)
val_cfg = dict(type='convnext_dense.ValLoop')
test_cfg = dict(type='convnext_dense.TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(
        type='MultiStepLR', begin=0, end=36, milestones=[27, 33], gamma=0.1, by_epoch=True, convert_to_iter_based=True
    ),
]
default_hooks = dict(checkpoint=dict(best='raw/box_AP'))

# What `--data sample` changes: images of 256 x 192, few proposals and samples, few steps.
sample = dict(
    pretrained=None,
    model=dict(
        train_cfg=dict(rpn=dict(sampler=dict(num=64)), rpn_proposal=dict(nms_pre=500, max_per_img=200)),
        test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100), rcnn=dict(max_per_img=30)),
    ),
    train_dataloader=dict(
        batch_size=4,
        num_workers=1,
        dataset=dict(
            pipeline=[
                dict(type='convnext_dense.LoadImage'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
                dict(type='mmdet.RandomFlip', prob=0.5),
                dict(
                    type='mmcv.RandomChoiceResize',
                    resize_type='mmdet.Resize',
                    scales=[(320, side) for side in (160, 192, 224)],
                    keep_ratio=True,
                ),
                dict(type='mmdet.PackDetInputs'),
            ],
        ),
    ),
    val_dataloader=dict(num_workers=1, dataset=dict(pipeline={'1': dict(scale=(320, 192))})),
    test_dataloader=dict(num_workers=1, dataset=dict(pipeline={'1': dict(scale=(320, 192))})),
    train_cfg=dict(max_epochs=1, total_batch_size=4),
    tta_pipeline={
        '1': dict(
            transforms={'0': {str(i): dict(scale=(480, side)) for i, side in enumerate((160, 192, 224))}},
        )
    },
    optim_wrapper=dict(optimizer=dict(lr=1e-3)),
    default_hooks=dict(logger=dict(interval=20), checkpoint=dict(keep=1, best=None)),
)
