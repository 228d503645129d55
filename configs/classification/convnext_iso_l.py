# Isotropic ConvNeXt-L on ImageNet-1k from scratch: 306M parameters, 59.7 GFLOPs (MACs), top-1 82.6 (published).
_base_ = './convnext_iso_s.py'

model = dict(backbone=dict(arch='large', drop_path_rate=0.5, layer_scale_init_value=1e-6))
