# `--data sample-large` in segmentation, after the config's own settings for the sample: tiles of 256 pixels, or whole
# scenes shrunk to that size, which the network sees as they are.
model = dict(data_preprocessor=dict(size=(256, 256)), test_cfg=dict(_delete_=True, mode='whole'))
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        indices=None,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadMask'),
            dict(
                type='mmcv.RandomResize',
                scale=(256, 256),
                ratio_range=(0.8, 1.25),
                keep_ratio=True,
                resize_type='mmseg.Resize',
            ),
            dict(type='convnext_dense.RandomCrop', crop_size=(256, 256)),
            dict(type='mmcv.RandomFlip', prob=0.5),
            dict(type='convnext_dense.PhotoMetricDistortion'),
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    dataset=dict(
        indices=None,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(256, 256), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),  # the ground truth stays at its own size
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, max_iters=700, total_batch_size=4, val_interval=1000, val_begin=1)
