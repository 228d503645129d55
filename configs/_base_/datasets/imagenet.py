# ImageNet-1k, or any image folder: images of 224 pixels, RandAugment, random erasing.
task = 'classification'
default_scope = 'mmengine'
custom_imports = dict(imports=['convnext_dense'])

train_dataloader = dict(
    batch_size=128,  # of one process; total_batch_size is reached by accumulation
    num_workers=10,
    persistent_workers=True,
    drop_last=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    collate_fn=dict(type='convnext_dense.collate_images'),
    dataset=dict(
        type='convnext_dense.ImageFolder',
        root='data/imagenet',
        split='train',
        transform=dict(
            input_size=224,
            interpolation='bicubic',
            auto_augment='rand-m9-mstd0.5-inc1',
            re_prob=0.25,
            re_mode='pixel',
            re_count=1,
        ),
    ),
)
val_dataloader = dict(
    batch_size=128,
    num_workers=10,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
    collate_fn=dict(type='convnext_dense.collate_images'),
    dataset=dict(
        type='convnext_dense.ImageFolder',
        root='data/imagenet',
        split='val',
        transform=dict(input_size=224, crop_ratio=0.875),
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.Accuracy', topk=(1, 5))
test_evaluator = val_evaluator
