# ConvNeXt-B pre-training on ImageNet-22k, like convnext_t_22k.py but with drop path 0.1.
_base_ = './convnext_t_22k.py'

model = dict(backbone=dict(arch='base', drop_path_rate=0.1))
