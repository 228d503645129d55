# COCO in squares of 640 pixels: mosaics of four images, mixed in pairs, and for the last epochs single images, as in
# mmdet's RTMDet. There both take their other images from those that a worker has seen last (CachedMosaic and
# CachedMixUp), which a resumed run would not have; here they are drawn from the whole data set.
_base_ = './coco.py'

custom_imports = dict(
    imports=[
        'convnext_dense',
        'convnext_dense.data.detection.dataset',
        'convnext_dense.data.detection.mixed',
        'convnext_dense.data.detection.mixing',
        'convnext_dense.models.detector',
    ]
)

train_dataloader = dict(
    batch_size=32,
    batch_sampler=None,  # all images have one size
    dataset=dict(
        _delete_=True,
        type='convnext_dense.MixedImages',
        dataset=dict(
            type='convnext_dense.CocoDataset',
            annotations='data/coco/annotations/instances_train2017.json',
            images='data/coco/train2017',
            filter_cfg=dict(filter_empty_gt=True, min_size=32),
            pipeline=[
                dict(type='convnext_dense.LoadImage'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True),
            ],
        ),
        pipeline=[
            dict(type='convnext_dense.Mosaic', img_scale=(640, 640), pad_val=114.0),
            dict(
                type='mmcv.RandomResize',
                resize_type='mmdet.Resize',
                scale=(1280, 1280),
                ratio_range=(0.1, 2.0),
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomCrop', crop_size=(640, 640)),
            dict(type='mmdet.YOLOXHSVRandomAug'),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='mmdet.Pad', size=(640, 640), pad_val=dict(img=(114, 114, 114))),
            dict(type='convnext_dense.MixUp', img_scale=(640, 640), ratio_range=(1.0, 1.0), pad_val=114.0),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(640, 640), keep_ratio=True),
            dict(type='mmdet.Pad', size=(640, 640), pad_val=dict(img=(114, 114, 114))),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
custom_hooks = [
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=90,  # of 100; --epochs moves it
        switch_pipeline=[
            dict(
                type='mmcv.RandomResize',
                resize_type='mmdet.Resize',
                scale=(640, 640),
                ratio_range=(0.1, 2.0),
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomCrop', crop_size=(640, 640)),
            dict(type='mmdet.YOLOXHSVRandomAug'),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='mmdet.Pad', size=(640, 640), pad_val=dict(img=(114, 114, 114))),
            dict(type='mmdet.PackDetInputs'),
        ],
    )
]

# `--tta`: three scales, each with its mirror image, padded after the flip.
tta_model = dict(nms=dict(iou_threshold=0.6))
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale=(side, side), keep_ratio=True) for side in (640, 320, 960)],
            [dict(type='mmdet.RandomFlip', prob=0.0), dict(type='mmdet.RandomFlip', prob=1.0)],
            [dict(type='mmdet.Pad', size=(960, 960), pad_val=dict(img=(114, 114, 114)))],
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
