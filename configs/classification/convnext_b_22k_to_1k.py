# ConvNeXt-B, pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k, like convnext_t_22k_to_1k.py with drop path 0.2.
# Top-1 85.8 (published).
_base_ = './convnext_t_22k_to_1k.py'

pretrained = 'convnext_base_22k_224'
model = dict(backbone=dict(arch='base', drop_path_rate=0.2))
