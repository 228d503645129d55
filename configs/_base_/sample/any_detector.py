# `--data sample` for any detector, such as an adapted one: a part of the images, of 320 x 320, one epoch or as many
# steps. Nothing of the model is set. The masks are left out where no head learns them.
pretrained = None

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(
        indices=120,
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
            dict(type='mmdet.Pad', size=(320, 320)),  # not every model pads images and masks of other sizes
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
            dict(type='mmdet.Pad', size=(320, 320)),  # which the last levels of SSD need
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
            [dict(type='mmdet.Pad', size_divisor=32)],
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
train_cfg = dict(max_epochs=1, max_iters=60, total_batch_size=2, val_interval=1000, val_begin=1)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(keep=1, best=None), run_length=None, ema=None)
