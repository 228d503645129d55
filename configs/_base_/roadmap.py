# What all steps of the roadmap share: the recipe of ConvNeXt-T without EMA, and what `--data sample` makes of it.
_base_ = '../classification/convnext_t.py'

model = dict(backbone=dict(_delete_=True, type='convnext_dense.RoadmapNet', out_indices=None))
default_hooks = dict(
    ema=None,  # as in the paper: EMA harms networks with BatchNorm (appendix A.1)
    sync_buffers=dict(type='SyncBuffersHook'),  # BatchNorm's statistics, averaged over the processes
)

# About a minute for a step: fewer and smaller images, and milder augmentation, for which so short a run has no time.
sample = dict(
    model=dict(mixup=dict(prob=0.1)),
    train_dataloader=dict(
        batch_size=16,
        dataset=dict(
            per_class=120,
            transform=dict(input_size=32, scale=(0.7, 1.0), auto_augment='rand-m3-mstd0.5-inc1', re_prob=0.1),
        ),
    ),
    val_dataloader=dict(dataset=dict(per_class=40, transform=dict(input_size=32))),
    test_dataloader=dict(dataset=dict(per_class=40, transform=dict(input_size=32))),
    train_cfg=dict(total_batch_size=16),
    optim_wrapper=dict(optimizer=dict(lr=5e-4)),
    default_hooks=dict(ema=None),
)
