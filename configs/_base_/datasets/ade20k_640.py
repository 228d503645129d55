# ADE20K, or any folder of images and masks, in crops of 640 pixels.
task = 'segmentation'
default_scope = 'mmseg'
custom_imports = dict(
    imports=[
        'convnext_dense',
        'convnext_dense.data.segmentation.dataset',
        'convnext_dense.models.segmentor',
        'mmseg.datasets',
    ]
)

train_dataloader = dict(
    batch_size=2,  # of one process; total_batch_size is reached by accumulation
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    collate_fn=dict(type='convnext_dense.collate_dense'),
    dataset=dict(
        type='convnext_dense.MaskFolder',
        root='data/ade20k',
        split='training',
        reduce_zero_label='auto',  # names and masks say what 0 means, or --label-zero does
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
        type='convnext_dense.MaskFolder',
        root='data/ade20k',
        split='validation',
        reduce_zero_label='auto',  # names and masks say what 0 means, or --label-zero does
        test_mode=True,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(2560, 640), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),  # the ground truth stays at its own size
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.IoU')
test_evaluator = val_evaluator

# `--tta`: six scales, each with its mirror image, on whole images as in the official results (mode='slide' for crops).
tta_model = dict(type='convnext_dense.SegmentorTTA', mode='whole')
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
