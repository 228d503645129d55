# `--data sample` for the light DINO on atto, which learns the sample: as many epochs as a DETR takes to find objects.
_base_ = './any_detector.py'

train_cfg = dict(max_epochs=12, val_interval=4)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))), optimizer=dict(lr=5e-4))
