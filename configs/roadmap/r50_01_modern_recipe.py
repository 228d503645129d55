# The roadmap from ResNet-50 to ConvNeXt-T: the ResNet, by the recipe of ConvNeXt-T without EMA. Top-1 78.82
# (published). The steps after it are beside this file.
_base_ = '../classification/convnext_t.py'
sample_settings = '_base_/sample/roadmap.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='convnext_dense.RoadmapNet',
        track='resnet50',
        step='modern_recipe',
        out_indices=None,
        drop_path_rate=0.1,
    )
)
default_hooks = dict(
    ema=None,  # as in the paper: EMA harms networks with BatchNorm (appendix A.1)
    sync_buffers=dict(type='SyncBuffersHook'),  # BatchNorm's statistics, averaged over the processes
)
