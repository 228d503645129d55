# ADE20K, or any folder of images and masks: crops of 512 pixels, slide inference.
_base_ = './runtime.py'

custom_imports = dict(
    imports=[
        'convnext_dense',
        'convnext_dense.data.segmentation.dataset',
        'convnext_dense.models.segmentor',
        'mmseg.datasets',
    ]
)
default_scope = 'mmseg'
task = 'segmentation'

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
        reduce_zero_label=True,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadMask'),
            dict(
                type='mmcv.RandomResize',
                scale=(2048, 512),
                ratio_range=(0.5, 2.0),
                keep_ratio=True,
                resize_type='mmseg.Resize',
            ),
            dict(type='convnext_dense.RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
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
        reduce_zero_label=True,
        test_mode=True,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmseg.Resize', scale=(2048, 512), keep_ratio=True),
            dict(type='convnext_dense.LoadMask'),  # the ground truth stays at its own size
            dict(type='mmseg.PackSegInputs'),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.IoU')
test_evaluator = val_evaluator

train_cfg = dict(type='convnext_dense.TrainLoop', max_iters=160000, total_batch_size=16, val_interval=16000)
val_cfg = dict(type='convnext_dense.ValLoop')
test_cfg = dict(type='convnext_dense.TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=1500, end=160000),
]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(interval=16000, best='raw/mIoU'),
)

# `--tta`: six scales, each with its mirror image; whole-image inference as in the official results, or mode='slide'.
tta_model = dict(type='convnext_dense.SegmentorTTA', mode='whole')
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [
                dict(type='mmseg.Resize', scale=(4 * side, side), keep_ratio=True)
                for side in (256, 384, 512, 640, 768, 896)
            ],
            [dict(type='mmcv.RandomFlip', prob=0.0), dict(type='mmcv.RandomFlip', prob=1.0, direction='horizontal')],
            [dict(type='convnext_dense.LoadMask')],
            [dict(type='mmseg.PackSegInputs')],
        ],
    ),
]

# What `--data sample` changes: crops of 128 pixels of images of 256 x 192, few steps.
sample = dict(
    pretrained=None,
    model=dict(
        data_preprocessor=dict(size=(128, 128)), test_cfg=dict(mode='slide', crop_size=(192, 192), stride=(128, 128))
    ),
    train_dataloader=dict(
        batch_size=4,
        num_workers=1,
        dataset=dict(
            pipeline={'2': dict(scale=(320, 192), ratio_range=(0.75, 1.5)), '3': dict(crop_size=(128, 128))},
        ),
    ),
    val_dataloader=dict(num_workers=1, dataset=dict(pipeline={'1': dict(scale=(320, 192))})),
    test_dataloader=dict(num_workers=1, dataset=dict(pipeline={'1': dict(scale=(320, 192))})),
    train_cfg=dict(max_iters=60, total_batch_size=4, val_interval=60),
    tta_pipeline={
        '1': dict(
            transforms={
                '0': {str(i): dict(scale=(480, side)) for i, side in enumerate((96, 128, 160, 192, 224, 256))}
            },
        )
    },
    optim_wrapper=dict(optimizer=dict(lr=1e-3)),
    default_hooks=dict(logger=dict(interval=10), checkpoint=dict(interval=60, keep=1, best=None)),
)
