# `--data sample-large` in detection, after the config's own settings for the sample: all of the few scenes, in two
# epochs of their tiles.
train_dataloader = dict(dataset=dict(indices=None))
val_dataloader = dict(dataset=dict(indices=None))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2, max_iters=150, val_interval=1000, val_begin=1)
