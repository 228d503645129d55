# `--data sample` for the steps of the roadmap, about a minute each: fewer and smaller images than in
# classification.py, and milder augmentation, since so short a run has no time to overfit.
pretrained = None

model = dict(mixup=dict(prob=0.1))
train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(
        per_class=120,
        transform=dict(input_size=32, scale=(0.7, 1.0), auto_augment='rand-m3-mstd0.5-inc1', re_prob=0.1),
    ),
)
val_dataloader = dict(num_workers=2, dataset=dict(per_class=40, transform=dict(input_size=32)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, total_batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(keep=1, best=None), run_length=None)
