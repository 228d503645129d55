# `--data sample` for any segmentor, such as an adapted one: images as in segmentation.py, few steps. Nothing of the
# model is set; its windows in testing follow the crops.
_base_ = './segmentation.py'

model = dict(_delete_=True)
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, max_iters=40, val_interval=1000, val_begin=1)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
default_hooks = dict(checkpoint=dict(_delete_=True, keep=1, best=None), ema=None)
