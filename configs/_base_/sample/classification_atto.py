# `--data sample` for atto: more epochs, which take it as long as one takes the others.
_base_ = './classification.py'

model = dict(backbone=dict(layer_scale_init_value=1.0))  # from 1e-6 it would not grow in so few steps
train_cfg = dict(max_epochs=3)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
