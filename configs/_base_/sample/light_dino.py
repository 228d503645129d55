# `--data sample` for the light DINO on atto, which learns the sample: random weights, of which the backbone learns as
# fast as the rest, and as many epochs as a DETR takes to find objects.
_base_ = './any_detector.py'

train_dataloader = dict(batch_size=4, dataset=dict(indices=None))
val_dataloader = dict(dataset=dict(indices=None))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=6, total_batch_size=4, val_interval=6)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))), optimizer=dict(lr=5e-4))
