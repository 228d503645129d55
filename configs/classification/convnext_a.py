# ConvNeXt-A (atto, 3.7M parameters) on ImageNet-1k from scratch, by the tiny recipe without stochastic depth.
# For CPUs and edge devices. The paper trained no atto: there is no published accuracy for this run.
_base_ = './convnext_t.py'
sample_settings = '_base_/sample/classification_atto.py'

model = dict(backbone=dict(arch='atto', drop_path_rate=0.0))
