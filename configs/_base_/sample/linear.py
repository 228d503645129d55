# `--data sample` for a linear head: it starts from random weights, of which a frozen backbone would learn nothing, so
# the backbone trains too.
_base_ = './upernet.py'

model = dict(backbone=dict(frozen_stages=-1))
