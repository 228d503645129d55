# ConvNeXt-XL, pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k, like convnext_t_22k_to_1k.py with drop path
# 0.4 and EMA.
# Top-1 87.0 (published).
_base_ = './convnext_t_22k_to_1k.py'

pretrained = 'convnext_xlarge_22k_224'
model = dict(backbone=dict(arch='xlarge', drop_path_rate=0.4))
default_hooks = dict(ema=dict(_delete_=True, type='convnext_dense.EMA', momentum=1e-4))
