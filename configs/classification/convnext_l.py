# ConvNeXt-L on ImageNet-1k from scratch: 198M parameters, 34.4 GFLOPs (MACs), top-1 84.3 (published).
_base_ = './convnext_t.py'

model = dict(backbone=dict(arch='large', drop_path_rate=0.5))
