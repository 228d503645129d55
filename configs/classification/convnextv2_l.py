# ConvNeXt V2-L (large), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 85.8 (published).
# The V2 repository prints no recipe for large: all values are those that it prints for base.
_base_ = './convnextv2_b.py'

pretrained = 'convnextv2_large_1k_224_fcmae'
model = dict(backbone=dict(arch='large'))
