# The roadmap from ResNet-50 to ConvNeXt-T: the ResNet, by ConvNeXt's recipe. The steps after it are beside this file.
_base_ = '../classification/convnext_t.py'

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
sample = dict(default_hooks=dict(ema=None))
