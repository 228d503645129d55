# UPerNet with ConvNeXt-A (atto) and a narrow head on ADE20K, for CPUs and edge devices.
# Nobody published a result for it; the recipe is that of tiny without AMP and stochastic depth.
_base_ = './upernet_convnext_t_ade20k.py'
sample_settings = '_base_/sample/upernet_atto.py'

pretrained = 'work_dirs/convnext_a/epoch_300.pth'  # there are no official weights: train convnext_a.py first
model = dict(
    backbone=dict(arch='atto', drop_path_rate=0.0),
    decode_head=dict(in_channels=[40, 80, 160, 320], channels=64),
    auxiliary_head=dict(in_channels=160, channels=64),
)
optim_wrapper = dict(type='OptimWrapper')
