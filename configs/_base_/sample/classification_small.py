# `--data sample` for femto, pico and nano, which learn faster at a higher lr.
_base_ = './classification.py'

optim_wrapper = dict(optimizer=dict(lr=2e-3))
