# ConvNeXt-XL pre-training on ImageNet-22k, like convnext_t_22k.py but with drop path 0.2.
_base_ = './convnext_t_22k.py'

model = dict(backbone=dict(arch='xlarge', drop_path_rate=0.2))
