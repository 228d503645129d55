# `--data sample` for the old recipe, which the roadmap starts from.
_base_ = './roadmap.py'

train_dataloader = dict(dataset=dict(transform=dict(re_prob=0.0)))
optim_wrapper = dict(optimizer=dict(lr=6e-4))  # 0.1 for 256 would be 0.006, too much for a run without warm-up
