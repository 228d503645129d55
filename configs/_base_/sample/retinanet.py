# `--data sample` for RetinaNet: a part of the images, so that it ends within minutes on two cores.
_base_ = './any_detector.py'

train_dataloader = dict(batch_size=2, dataset=dict(indices=80))
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
train_cfg = dict(total_batch_size=2)
