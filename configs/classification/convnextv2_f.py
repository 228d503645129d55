# ConvNeXt V2-F (femto), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 78.5 (published).
# The V2 repository prints no recipe for femto: all values are those that it prints for atto.
_base_ = './convnextv2_a.py'

pretrained = 'convnextv2_femto_1k_224_fcmae'
model = dict(backbone=dict(arch='femto'))
