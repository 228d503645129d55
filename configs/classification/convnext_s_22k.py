# ConvNeXt-S pre-training on ImageNet-22k, like convnext_t_22k.py but with drop path 0.0.
_base_ = './convnext_t_22k.py'

model = dict(backbone=dict(arch='small', drop_path_rate=0.0))
