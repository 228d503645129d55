# `--data sample` for a detector with queries and a light head, which is fast enough for more images.
_base_ = './mask2former_instances.py'

model = dict(panoptic_head=dict(num_queries=30), test_cfg=dict(max_per_image=30))
train_dataloader = dict(batch_size=8, dataset=dict(indices=None))
val_dataloader = dict(dataset=dict(indices=None))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=15, total_batch_size=8, val_interval=15)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
