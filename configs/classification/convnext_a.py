# ConvNeXt-A (atto, 3.7M parameters) on ImageNet-1k from scratch, by the tiny recipe without stochastic depth.
# The one for a CPU or an edge device. The paper trained no atto: there is no published accuracy for this run.
_base_ = './convnext_t.py'

model = dict(backbone=dict(arch='atto', drop_path_rate=0.0))
sample = dict(
    model=dict(backbone=dict(layer_scale_init_value=1.0)),  # from 1e-6 it would not grow in so few steps
    train_cfg=dict(max_epochs=3),
    optim_wrapper=dict(optimizer=dict(lr=2e-3)),
)
