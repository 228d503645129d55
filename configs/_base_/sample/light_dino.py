# `--data sample` for the light DINO on atto, which learns the sample: epochs enough for a DETR to find objects.
_base_ = './dino.py'

train_cfg = dict(max_epochs=12, val_interval=4)
