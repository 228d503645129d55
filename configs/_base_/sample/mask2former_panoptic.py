# `--data sample` for panoptic segmentation with queries: crops of 160 pixels, 1024 points of each mask, and a
# part of the images, so that it ends within minutes on two cores.
_base_ = './any_panoptic.py'

model = dict(
    data_preprocessor=dict(
        batch_augments=[
            dict(
                type='mmdet.BatchFixedSizePad',
                size=(160, 160),
                img_pad_value=0,
                pad_mask=True,
                mask_pad_value=0,
                pad_seg=True,
                seg_pad_value=255,
            )
        ],
    ),
    panoptic_head=dict(num_queries=20),
    train_cfg=dict(num_points=1024),
    test_cfg=dict(max_per_image=20),
)
train_dataloader = dict(
    dataset=dict(
        indices=160,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadPanoptic'),
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
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(lr=3e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),  # it starts from random weights, too
)
