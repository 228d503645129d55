# `--data sample` for any segmentor, such as an adapted one: crops of 128 pixels of images of 320 x 192 at most, few
# steps. Nothing of the model is set; its windows in testing follow the crops.
pretrained = None

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadMask'),
            dict(
                type='mmcv.RandomResize',
                scale=(320, 192),
                ratio_range=(0.75, 1.5),
                keep_ratio=True,
                resize_type='mmseg.Resize',
            ),
            dict(type='convnext_dense.RandomCrop', crop_size=(128, 128), cat_max_ratio=0.75),
            dict(type='mmcv.RandomFlip', prob=0.5),
            dict(type='convnext_dense.PhotoMetricDistortion'),
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        indices=40,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(320, 192), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),  # the ground truth stays at its own size
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmseg.Resize', scale=(480, side), keep_ratio=True) for side in (96, 128, 160, 192, 224, 256)],
            [dict(type='mmcv.RandomFlip', prob=0.0), dict(type='mmcv.RandomFlip', prob=1.0, direction='horizontal')],
            [dict(type='convnext_dense.LoadMask')],
            [dict(type='mmseg.PackSegInputs')],
        ],
    ),
]
train_cfg = dict(max_epochs=1, max_iters=40, total_batch_size=4, val_interval=1000, val_begin=1)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(keep=1, best=None), run_length=None, ema=None)
