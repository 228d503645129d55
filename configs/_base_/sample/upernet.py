# `--data sample` for UPerNet: 40 steps and 40 images to validate, so that it ends within minutes on two cores.
_base_ = './segmentation.py'

val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=40, val_interval=40)
default_hooks = dict(checkpoint=dict(interval=40))
