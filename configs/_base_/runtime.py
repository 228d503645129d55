# Settings shared by all runs.
runner_type = 'convnext_dense.Runner'

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=600),  # seconds to wait for another process; gloo without a GPU
)
randomness = dict(seed=0, diff_rank_seed=True)

default_hooks = dict(
    runtime_info=dict(type='convnext_dense.RuntimeInfo'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='convnext_dense.Checkpoints', interval=1, keep=3, best='raw/top1'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    progress=dict(type='convnext_dense.ProgressBar'),
    bad_images=dict(type='convnext_dense.BadImages'),
)

visualizer = dict(
    type='Visualizer',
    vis_backends=[dict(type='convnext_dense.CSVBackend'), dict(type='TensorboardVisBackend')],
)
log_processor = dict(type='convnext_dense.LogProcessor', by_epoch=True, window_size=50, log_with_hierarchy=True)
log_level = 'INFO'

val_cfg = dict(type='convnext_dense.ValLoop')
test_cfg = dict(type='convnext_dense.TestLoop')

pretrained = None  # a checkpoint, or the name of official weights, for initialization
pretrained_weights = 'raw'  # or 'ema' for the checkpoint's moving average
load_from = None  # a checkpoint of the same model to load, or with resume=True to resume from
resume = False
