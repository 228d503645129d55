# ConvNeXt V2-H (huge), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 86.3 (published).
# The V2 repository prints no recipe for huge: all values are those that it prints for base.
_base_ = './convnextv2_b.py'

pretrained = 'convnextv2_huge_1k_224_fcmae'
model = dict(backbone=dict(arch='huge'))
