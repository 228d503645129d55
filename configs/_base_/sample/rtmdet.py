# `--data sample` for RTMDet: squares of 192 pixels, two epochs, of which the second has single images, and a part of
# the images, so that it ends within minutes on two cores.
_base_ = './any_detector.py'

train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        indices=80,
        pipeline=[
            dict(type='convnext_dense.Mosaic', img_scale=(192, 192), pad_val=114.0),
            dict(
                type='mmcv.RandomResize',
                resize_type='mmdet.Resize',
                scale=(384, 384),
                ratio_range=(0.5, 1.5),
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomCrop', crop_size=(192, 192)),
            dict(type='mmdet.YOLOXHSVRandomAug'),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='mmdet.Pad', size=(192, 192), pad_val=dict(img=(114, 114, 114))),
            dict(type='convnext_dense.MixUp', img_scale=(192, 192), ratio_range=(1.0, 1.0), pad_val=114.0),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        indices=40,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(192, 192), keep_ratio=True),
            dict(type='mmdet.Pad', size=(192, 192), pad_val=dict(img=(114, 114, 114))),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
            ),
        ],
    )
)
test_dataloader = val_dataloader
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale=(side, side), keep_ratio=True) for side in (192, 128, 256)],
            [dict(type='mmdet.RandomFlip', prob=0.0), dict(type='mmdet.RandomFlip', prob=1.0)],
            [dict(type='mmdet.Pad', size=(256, 256), pad_val=dict(img=(114, 114, 114)))],
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
custom_hooks = [
    dict(
        type='mmdet.PipelineSwitchHook',
        switch_epoch=1,
        switch_pipeline=[
            dict(
                type='mmcv.RandomResize',
                resize_type='mmdet.Resize',
                scale=(192, 192),
                ratio_range=(0.5, 1.5),
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomCrop', crop_size=(192, 192)),
            dict(type='mmdet.YOLOXHSVRandomAug'),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(type='mmdet.Pad', size=(192, 192), pad_val=dict(img=(114, 114, 114))),
            dict(type='mmdet.PackDetInputs'),
        ],
    )
]
train_cfg = dict(max_epochs=2, total_batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(ema=dict(_delete_=True, momentum=0.02, gamma=None))
