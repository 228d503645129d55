# A backbone and one linear layer.
model = dict(type='convnext_dense.ImageClassifier', num_classes=1000, head_init_scale=1.0)
