# ConvNeXt V2-P (pico), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 80.3 (published).
# The V2 repository prints no recipe for pico: all values are those that it prints for atto.
_base_ = './convnextv2_a.py'

pretrained = 'convnextv2_pico_1k_224_fcmae'
model = dict(backbone=dict(arch='pico'))
