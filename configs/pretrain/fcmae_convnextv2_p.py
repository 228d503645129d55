# FCMAE pre-training of ConvNeXt V2-P (pico): all values are those of atto.
_base_ = './fcmae_convnextv2_a.py'

model = dict(backbone=dict(arch='pico'))
