# `--data sample` for any panoptic model: crops of 320 x 192 pixels, one epoch.
pretrained = None

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadPanoptic'),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomResize',
                scale=(320, 192),
                ratio_range=(0.75, 1.25),
                keep_ratio=True,
                resize_type='mmdet.Resize',
            ),
            dict(
                type='mmdet.RandomCrop',
                crop_type='absolute',
                crop_size=(320, 192),
                recompute_bbox=True,
                allow_negative_crop=True,
            ),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(320, 192), keep_ratio=True),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'panoptic'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, total_batch_size=4)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(keep=1, best=None), run_length=None)
