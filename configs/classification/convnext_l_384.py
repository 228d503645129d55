# ConvNeXt-L, trained on ImageNet-1k at 224 pixels, fine-tuned at 384. Top-1 85.5 (published).
_base_ = './convnext_t_22k_to_1k.py'

# Official averaged weights; for those of convnext_l.py its checkpoint, with --pretrained-weights ema.
pretrained = 'convnext_large_1k_224_ema'
model = dict(backbone=dict(arch='large', drop_path_rate=0.95))
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.7))
train_dataloader = dict(batch_size=32, dataset=dict(transform=dict(input_size=384)))
val_dataloader = dict(dataset=dict(transform=dict(input_size=384)))  # warped to the square, nothing cropped
test_dataloader = dict(dataset=dict(transform=dict(input_size=384)))
