# `--data sample` for a detector with queries and a light head: images of 320 x 192 at most, 1024 points of each mask.
_base_ = './mask2former_instances.py'

model = dict(test_cfg=dict(max_per_image=30))
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_iters=900, total_batch_size=8, val_interval=900)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=900))
