# `--data sample` for a segmentor with queries: 40 steps at 1024 points of each mask, whole images in testing, and 40
# images to validate, so that it ends within minutes on two cores.
_base_ = './segmentation.py'

model = dict(
    decode_head=dict(num_queries=20, train_cfg=dict(num_points=1024)),
    test_cfg=dict(_delete_=True, mode='whole'),
)
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=40, val_interval=40)
optim_wrapper = dict(
    optimizer=dict(lr=3e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),  # it starts from random weights, too
)
default_hooks = dict(checkpoint=dict(interval=40))
