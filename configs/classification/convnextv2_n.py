# ConvNeXt V2-N (nano), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 81.9 (published).
# The V2 repository prints no recipe for nano: all values are those that it prints for atto.
_base_ = './convnextv2_a.py'

pretrained = 'convnextv2_nano_1k_224_fcmae'
model = dict(backbone=dict(arch='nano'))
