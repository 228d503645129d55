# `--data sample` in classification: small images and batches, one epoch, and milder mixing and cropping, since so
# short a run has no time to overfit. Parts that a config has disabled with None, such as Mixup or EMA, stay disabled.
pretrained = None

model = dict(mixup=dict(prob=0.2))
train_dataloader = dict(batch_size=32, num_workers=2, dataset=dict(transform=dict(input_size=48, scale=(0.35, 1.0))))
val_dataloader = dict(num_workers=2, dataset=dict(transform=dict(input_size=48)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, total_batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(keep=1, best=None),
    run_length=None,  # it is short on purpose
    ema=dict(momentum=0.02),  # averages over the same share of the run as in the full recipe
)
