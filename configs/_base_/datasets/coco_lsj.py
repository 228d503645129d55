# COCO, or any data set in its format: crops of 1024 pixels of images at 0.1 to 2 times that size (large-scale jitter).
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
                type='mmcv.RandomResize',
                scale=(1024, 1024),
                ratio_range=(0.1, 2.0),
                keep_ratio=True,
                resize_type='mmdet.Resize',
            ),
            dict(
                type='mmdet.RandomCrop',
                crop_type='absolute',
                crop_size=(1024, 1024),
                recompute_bbox=True,
                allow_negative_crop=True,
            ),
            # no object of which the crop leaves nothing
            dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), by_mask=True),
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
