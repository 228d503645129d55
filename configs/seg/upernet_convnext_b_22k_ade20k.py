# UPerNet with ConvNeXt-B on ADE20K at 640 pixels, from ImageNet-22k weights:
# mIoU 52.6 single-scale, 53.1 multi-scale, 122M parameters, 1828 GFLOPs (MACs) at 2560 x 640 (published).
_base_ = [
    '../_base_/datasets/ade20k_640.py',
    '../_base_/models/upernet.py',
    '../_base_/schedules/ade20k_160k.py',
]
sample_settings = '_base_/sample/segmentation.py'

pretrained = 'convnext_base_22k_224'
model = dict(
    data_preprocessor=dict(size=(640, 640)),
    backbone=dict(type='convnext_dense.ConvNeXt', arch='base', drop_path_rate=0.4, layer_scale_init_value=1.0),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
    test_cfg=dict(crop_size=(640, 640), stride=(426, 426)),
)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.9, scheme='stage_wise'),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
