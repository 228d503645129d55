# `--data sample` for UPerNet with atto, which is fast enough for more steps and all images.
_base_ = './segmentation.py'

train_dataloader = dict(batch_size=8)
val_dataloader = dict(dataset=dict(indices=None))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=900, total_batch_size=8, val_interval=900)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=900))
