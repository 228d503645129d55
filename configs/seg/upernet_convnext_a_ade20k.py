# UPerNet with ConvNeXt-A (atto) and a narrow head on ADE20K: the one for a CPU or an edge device.
# Nobody published a result for it; the recipe is that of tiny without AMP and stochastic depth.
_base_ = './upernet_convnext_t_ade20k.py'

pretrained = 'work_dirs/convnext_a/epoch_300.pth'  # there are no official weights: train convnext_a.py first
model = dict(
    backbone=dict(arch='atto', drop_path_rate=0.0),
    decode_head=dict(in_channels=[40, 80, 160, 320], channels=64),
    auxiliary_head=dict(in_channels=160, channels=64),
)
optim_wrapper = dict(type='OptimWrapper')
sample = dict(
    train_dataloader=dict(batch_size=8),
    val_dataloader=dict(dataset=dict(indices=None)),
    test_dataloader=dict(dataset=dict(indices=None)),
    train_cfg=dict(max_iters=900, total_batch_size=8, val_interval=900),
    optim_wrapper=dict(optimizer=dict(lr=2e-3)),
    default_hooks=dict(logger=dict(interval=50), checkpoint=dict(interval=900)),
)
