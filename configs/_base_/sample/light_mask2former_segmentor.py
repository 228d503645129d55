# `--data sample` for a segmentor with queries and a light head, which is fast enough for more steps and all images.
_base_ = './segmentation.py'

model = dict(decode_head=dict(train_cfg=dict(num_points=1024)), test_cfg=dict(_delete_=True, mode='whole'))
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_iters=1500, total_batch_size=8, val_interval=1500)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),  # it starts from random weights, too
)
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=1500))
