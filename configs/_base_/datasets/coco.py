# COCO, or any data set in its format: images of 480 to 800 pixels, with DETR's crops.
task = 'detection'
default_scope = 'mmdet'
custom_imports = dict(
    imports=['convnext_dense', 'convnext_dense.data.detection.dataset', 'convnext_dense.models.detector']
)

train_dataloader = dict(
    batch_size=2,  # of one process; total_batch_size is reached by accumulation
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    batch_sampler=dict(type='convnext_dense.AspectRatioBatches'),
    collate_fn=dict(type='convnext_dense.collate_dense'),
    dataset=dict(
        type='convnext_dense.CocoDataset',
        annotations='data/coco/annotations/instances_train2017.json',
        images='data/coco/train2017',
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomChoice',
                transforms=[
                    [
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(side, 1333) for side in range(480, 801, 32)],
                            keep_ratio=True,
                        )
                    ],
                    [
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(400, 1333), (500, 1333), (600, 1333)],
                            keep_ratio=True,
                        ),
                        dict(
                            type='mmdet.RandomCrop',
                            crop_type='absolute_range',
                            crop_size=(384, 600),
                            allow_negative_crop=True,
                        ),
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(side, 1333) for side in range(480, 801, 32)],
                            keep_ratio=True,
                        ),
                    ],
                ],
            ),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
    collate_fn=dict(type='convnext_dense.collate_dense'),
    dataset=dict(
        type='convnext_dense.CocoDataset',
        annotations='data/coco/annotations/instances_val2017.json',
        images='data/coco/val2017',
        test_mode=True,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(1333, 800), keep_ratio=True),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.CocoAP')
test_evaluator = val_evaluator

# `--tta`: three scales, each with its mirror image.
tta_model = dict(type='convnext_dense.DetectorTTA', nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale=(2000, side), keep_ratio=True) for side in (600, 800, 1000)],
            [dict(type='mmdet.RandomFlip', prob=0.0), dict(type='mmdet.RandomFlip', prob=1.0)],
            [
                dict(
                    type='mmdet.PackDetInputs',
                    meta_keys=(
                        *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
                        *('flip', 'flip_direction', 'instances'),
                    ),
                )
            ],
        ],
    ),
]
