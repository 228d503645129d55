# UPerNet with ConvNeXt V2-B on ADE20K at 512 pixels, from FCMAE weights. The repository prints neither a result nor a
# recipe for it: this is V1's.
_base_ = './upernet_convnext_b_ade20k.py'

pretrained = 'convnextv2_base_1k_224_fcmae'
model = dict(backbone=dict(version=2))
