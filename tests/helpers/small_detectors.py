"""The packaged configs of detectors without RoI heads, with small models, for a few images."""

from pathlib import Path

from tests.helpers.small_models import ROOT

RUN = """
pretrained = sample_settings = None
optim_wrapper = dict(optimizer=dict(lr=1e-3))
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(keep=9, best=None), run_length=None)
log_processor = dict(window_size=1)
load, pack = dict(type='convnext_dense.LoadImage'), dict(type='mmdet.PackDetInputs')
resize = dict(type='mmdet.Resize', scale=(96, 64), keep_ratio=True)
learned = [load, dict(type='mmdet.LoadAnnotations', with_bbox=True)]
keys = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances')
train_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False)
val_dataloader = dict(num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[load, resize, dict(pack, meta_keys=keys)]))
test_dataloader = val_dataloader
backbone = dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]))
"""
MODELS = {
    'dino_convnext_a_coco': """
train_dataloader['dataset'] = dict(pipeline=[*learned, resize, dict(type='mmdet.RandomFlip', prob=0.5), pack])
train_cfg = dict(max_epochs=3, total_batch_size=2)
attention, ffn = dict(embed_dims=32, num_heads=4), dict(embed_dims=32, feedforward_channels=32)
model = dict(num_queries=10, backbone=backbone,
    neck=dict(in_channels=[16, 24, 32], out_channels=32, norm_cfg=dict(num_groups=4)),
    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=16), bbox_head=dict(embed_dims=32),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=4)), test_cfg=dict(max_per_img=10))
""",
    'rtmdet_convnext_t_coco': """
crop = [dict(type='mmdet.RandomCrop', crop_size=(64, 64)), dict(type='mmdet.YOLOXHSVRandomAug'),
    dict(type='mmdet.RandomFlip', prob=0.5), dict(type='mmdet.Pad', size=(64, 64), pad_val=dict(img=(114, 114, 114)))]
grow = dict(type='mmcv.RandomResize', resize_type='mmdet.Resize', ratio_range=(0.8, 1.2), keep_ratio=True)
train_dataloader['dataset'] = dict(dataset=dict(pipeline=learned), pipeline=[
    dict(type='convnext_dense.Mosaic', img_scale=(64, 64)), dict(grow, scale=(128, 128)), *crop,
    dict(type='convnext_dense.MixUp', img_scale=(64, 64), ratio_range=(1.0, 1.0)), pack])
custom_hooks = [dict(type='mmdet.PipelineSwitchHook', switch_epoch=2,
    switch_pipeline=[dict(grow, scale=(64, 64)), *crop, pack])]
train_cfg = dict(max_epochs=3, total_batch_size=1, val_interval=3)
small = dict(in_channels=16, feat_channels=16, stacked_convs=1, norm_cfg=dict(num_groups=4))
model = dict(backbone=backbone, bbox_head=small, test_cfg=dict(nms_pre=100, max_per_img=20),
    neck=dict(in_channels=[16, 24, 32], out_channels=16, num_csp_blocks=1, norm_cfg=dict(num_groups=4)))
""",
    'retinanet_convnext_t_coco': """
train_dataloader['dataset'] = dict(pipeline=[*learned, resize, dict(type='mmdet.RandomFlip', prob=0.5), pack])
train_cfg = dict(max_epochs=1, total_batch_size=1)
model = dict(backbone=backbone, neck=dict(in_channels=[8, 16, 24, 32], out_channels=16),
    bbox_head=dict(in_channels=16, feat_channels=16, stacked_convs=1))
""",
}


def write_detector(name: str, folder: Path, more: str = '') -> Path:
    """Write a small config that inherits from the packaged one of this name, with more settings at its end."""
    path = folder / f'{name}.py'
    path.write_text(f"_base_ = '{ROOT / 'configs' / 'det' / name}.py'\n{RUN}{MODELS[name]}{more}")
    return path
