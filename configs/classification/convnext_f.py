# ConvNeXt-F (femto, 5.2M parameters) on ImageNet-1k from scratch, by the tiny recipe without stochastic depth.
# The paper trained no femto: there is no published accuracy for this run.
_base_ = './convnext_t.py'
sample_settings = '_base_/sample/classification_small.py'

model = dict(backbone=dict(arch='femto', drop_path_rate=0.0))
