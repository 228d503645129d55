# ConvNeXt-T on ImageNet-1k from scratch: 28.6M parameters, 4.5 GFLOPs (MACs), top-1 82.1 (published).
#   torchrun --nproc_per_node=8 tools/train.py configs/classification/convnext_t.py --launcher pytorch
#   python tools/train.py configs/classification/convnext_t.py --data sample    # minutes on a laptop
_base_ = '../_base_/runtime.py'

task = 'classification'

model = dict(
    type='convnext_dense.ImageClassifier',
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=None,
        drop_path_rate=0.1,
        layer_scale_init_value=1e-6,
    ),
    num_classes=1000,
    head_init_scale=1.0,
    label_smoothing=0.1,
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'),
)

train_dataloader = dict(
    batch_size=128,  # of one process; total_batch_size below is reached by accumulation
    num_workers=10,
    persistent_workers=True,
    drop_last=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    collate_fn=dict(type='convnext_dense.collate_images'),
    dataset=dict(
        type='convnext_dense.ImageFolder',
        root='data/imagenet',
        split='train',
        transform=dict(
            input_size=224,
            interpolation='bicubic',
            auto_augment='rand-m9-mstd0.5-inc1',
            re_prob=0.25,
            re_mode='pixel',
            re_count=1,
        ),
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
    collate_fn=dict(type='convnext_dense.collate_images'),
    dataset=dict(
        type='convnext_dense.ImageFolder',
        root='data/imagenet',
        split='val',
        transform=dict(input_size=224, crop_ratio=0.875),
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=300, total_batch_size=4096)
val_cfg = dict(type='convnext_dense.ValLoop')
test_cfg = dict(type='convnext_dense.TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    optimizer=dict(type='AdamW', lr=4e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True),  # lr at total_batch_size
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=20, end=300, eta_min_ratio=2.5e-4, convert_to_iter_based=True),  # to 1e-6
]
default_hooks = dict(ema=dict(type='convnext_dense.EMA', momentum=1e-4))  # decay 0.9999

# What `--data sample` changes: small images and steps, few epochs, and milder mixing and cropping, since so short a
# run has no time to overfit.
sample = dict(
    model=dict(mixup=dict(prob=0.2)),
    train_dataloader=dict(
        batch_size=32, num_workers=2, dataset=dict(transform=dict(input_size=48, scale=(0.35, 1.0)))
    ),
    val_dataloader=dict(num_workers=2, dataset=dict(transform=dict(input_size=48))),
    test_dataloader=dict(num_workers=2, dataset=dict(transform=dict(input_size=48))),
    train_cfg=dict(max_epochs=1, total_batch_size=32),
    optim_wrapper=dict(optimizer=dict(lr=1e-3)),
    default_hooks=dict(
        logger=dict(interval=20),
        checkpoint=dict(keep=1, best=None),
        ema=dict(momentum=0.02),  # the average spans as large a part of the short run as it does of the long one
    ),
)
