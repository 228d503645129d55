# ConvNeXt-L, pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k, like convnext_t_22k_to_1k.py with drop path 0.3.
# Top-1 86.6 (published).
_base_ = './convnext_t_22k_to_1k.py'

pretrained = 'convnext_large_22k_224'
model = dict(backbone=dict(arch='large', drop_path_rate=0.3))
