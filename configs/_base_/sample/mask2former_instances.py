# `--data sample` for a detector with queries: crops of 160 pixels of images of 320 x 192 at most, 1024 points of each
# mask, and a part of the images, so that it ends within minutes on two cores.
pretrained = None

model = dict(
    data_preprocessor=dict(
        batch_augments=[
            dict(
                type='mmdet.BatchFixedSizePad',
                size=(160, 160),
                img_pad_value=0,
                pad_mask=True,
                mask_pad_value=0,
                pad_seg=False,
            )
        ],
    ),
    panoptic_head=dict(num_queries=20),
    train_cfg=dict(num_points=1024),
    test_cfg=dict(max_per_image=20),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        indices=160,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomResize',
                scale=(320, 192),
                ratio_range=(0.9, 1.5),
                keep_ratio=True,
                resize_type='mmdet.Resize',
            ),
            dict(
                type='mmdet.RandomCrop',
                crop_type='absolute',
                crop_size=(160, 160),
                recompute_bbox=True,
                allow_negative_crop=True,
            ),
            dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), by_mask=True),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        indices=40,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(320, 192), keep_ratio=True),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale=(480, side), keep_ratio=True) for side in (160, 192, 224)],
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
train_cfg = dict(max_epochs=1, total_batch_size=4)
optim_wrapper = dict(
    optimizer=dict(lr=3e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),  # it starts from random weights, too
)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(keep=1, best=None), run_length=None)
