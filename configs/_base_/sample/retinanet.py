# `--data sample` for RetinaNet: a part of the images, so that it ends within minutes on two cores.
_base_ = './any_detector.py'

train_dataloader = dict(dataset=dict(indices=80))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
