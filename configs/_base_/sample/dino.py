# `--data sample` for DINO: 100 queries, and random weights, of which the backbone learns as fast as the rest. With
# large backbones it is for trying out: a DETR needs more epochs than fit into minutes to find objects.
_base_ = './any_detector.py'

model = dict(num_queries=100, dn_cfg=dict(group_cfg=dict(num_dn_queries=30)), test_cfg=dict(max_per_img=100))
train_dataloader = dict(dataset=dict(indices=80))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))), optimizer=dict(lr=5e-4))
