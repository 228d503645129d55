# convnext_t_22k_to_1k.py at 384 pixels. Top-1 84.1 (published).
_base_ = './convnext_t_22k_to_1k.py'

train_dataloader = dict(batch_size=32, dataset=dict(transform=dict(input_size=384)))
val_dataloader = dict(dataset=dict(transform=dict(input_size=384)))  # warped to the square, nothing cropped
test_dataloader = dict(dataset=dict(transform=dict(input_size=384)))
