# ConvNeXt-N (nano, 15.6M parameters) on ImageNet-1k from scratch, by the tiny recipe without stochastic depth.
# The paper trained no nano: there is no published accuracy for this run.
_base_ = './convnext_t.py'
sample_settings = '_base_/sample/classification_small.py'

model = dict(backbone=dict(arch='nano', drop_path_rate=0.0))
