# FCMAE pre-training of ConvNeXt V2-A (atto) on any folder of images; labels play no role.
#   convnext-dense train configs/pretrain/fcmae_convnextv2_a.py --data FOLDER --work-dir pretrained
#   convnext-dense train configs/classification/convnextv2_a.py --data LABELED --pretrained pretrained
# Recipe: the V2 repository's TRAINING page, which prints base, and its code; lr = 1.5e-4 x 4096 / 256.
_base_ = [
    '../_base_/datasets/unlabeled.py',
    '../_base_/models/fcmae.py',
    '../_base_/schedules/fcmae_1600_epochs.py',
]
sample_settings = '_base_/sample/pretraining.py'

model = dict(backbone=dict(type='convnext_dense.ConvNeXt', arch='atto', version=2))
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    optimizer=dict(
        type='AdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05, fused=True
    ),  # lr at total_batch_size
)
