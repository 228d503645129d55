# `--data sample` for atto: more epochs, which take as long as one epoch of the other sizes.
_base_ = './classification.py'

model = dict(backbone=dict(layer_scale_init_value=1.0))  # 1e-6 would not grow enough in so few steps
train_cfg = dict(max_epochs=3)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
