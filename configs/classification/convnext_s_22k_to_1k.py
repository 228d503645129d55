# ConvNeXt-S, pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k, like convnext_t_22k_to_1k.py with drop path 0.1.
# Top-1 84.6 (published).
_base_ = './convnext_t_22k_to_1k.py'

pretrained = 'convnext_small_22k_224'
model = dict(backbone=dict(arch='small', drop_path_rate=0.1))
