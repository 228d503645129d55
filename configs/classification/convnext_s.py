# ConvNeXt-S on ImageNet-1k from scratch: 50.2M parameters, 8.7 GFLOPs (MACs), top-1 83.1 (published).
_base_ = './convnext_t.py'

model = dict(backbone=dict(arch='small', drop_path_rate=0.4))
