# Isotropic ConvNeXt-B on ImageNet-1k from scratch: 87M parameters, 16.9 GFLOPs (MACs), top-1 82.0 (published).
_base_ = './convnext_iso_s.py'

model = dict(backbone=dict(arch='base', drop_path_rate=0.2))
