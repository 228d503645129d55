# ConvNeXt-B on ImageNet-1k from scratch: 88.6M parameters, 15.4 GFLOPs (MACs), top-1 83.8 (published).
_base_ = './convnext_t.py'

model = dict(backbone=dict(arch='base', drop_path_rate=0.5))
