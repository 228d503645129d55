# `--data sample` for panoptic segmentation with queries and a light head, which is fast enough for more images. After
# so short a run few masks are 80% sure of their class, from where on the recipe takes them.
_base_ = './mask2former_panoptic.py'

model = dict(panoptic_head=dict(num_queries=30), test_cfg=dict(max_per_image=30, object_mask_thr=0.3))
train_dataloader = dict(batch_size=8, dataset=dict(indices=None))
val_dataloader = dict(dataset=dict(indices=None))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=15, total_batch_size=8, val_interval=15)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
