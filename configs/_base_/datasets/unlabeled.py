# Any folder of images without labels, or with labels that play no role: random crops of 224 pixels, flipped or not.
task = 'pretraining'
default_scope = 'mmengine'
custom_imports = dict(imports=['convnext_dense'])

train_dataloader = dict(
    batch_size=64,  # of one process; total_batch_size is reached by accumulation
    num_workers=10,
    persistent_workers=True,
    drop_last=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    collate_fn=dict(type='convnext_dense.collate_unlabeled'),
    dataset=dict(
        type='convnext_dense.UnlabeledImages',
        root='data/imagenet',
        split='train',
        transform=dict(input_size=224, scale=(0.2, 1.0), interpolation='bicubic', color_jitter=None),
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
    collate_fn=dict(type='convnext_dense.collate_unlabeled'),
    dataset=dict(
        type='convnext_dense.UnlabeledImages',
        root='data/imagenet',
        split='val',
        transform=dict(input_size=224, crop_ratio=0.875),
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.ReconstructionLoss')
test_evaluator = val_evaluator
