# UPerNet with crops of 640 pixels.
_base_ = './upernet.py'

model = dict(
    data_preprocessor=dict(size=(640, 640)),
    test_cfg=dict(crop_size=(640, 640), stride=(426, 426)),
)
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadMask'),
            dict(
                type='mmcv.RandomResize',
                scale=(2560, 640),
                ratio_range=(0.5, 2.0),
                keep_ratio=True,
                resize_type='mmseg.Resize',
            ),
            dict(type='convnext_dense.RandomCrop', crop_size=(640, 640), cat_max_ratio=0.75),
            dict(type='mmcv.RandomFlip', prob=0.5),
            dict(type='convnext_dense.PhotoMetricDistortion'),
            dict(type='mmseg.PackSegInputs'),
        ]
    )
)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(2560, 640), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),  # the ground truth stays at its own size
            dict(type='mmseg.PackSegInputs'),
        ]
    )
)
test_dataloader = val_dataloader
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [
                dict(type='mmseg.Resize', scale=(4 * side, side), keep_ratio=True)
                for side in (320, 480, 640, 800, 960, 1120)
            ],
            [dict(type='mmcv.RandomFlip', prob=0.0), dict(type='mmcv.RandomFlip', prob=1.0, direction='horizontal')],
            [dict(type='convnext_dense.LoadMask')],
            [dict(type='mmseg.PackSegInputs')],
        ],
    ),
]
