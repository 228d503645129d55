# `--data sample` in pre-training: the drawn scenes without their labels, crops of 96 pixels in small batches.
pretrained = None

train_dataloader = dict(batch_size=32, num_workers=2, dataset=dict(transform=dict(input_size=96)))
val_dataloader = dict(num_workers=2, dataset=dict(transform=dict(input_size=96)))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=10, total_batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(keep=1, best=None), run_length=None)
