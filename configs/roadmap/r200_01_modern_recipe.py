# The roadmap from ResNet-200 to ConvNeXt-B: the ResNet, by ConvNeXt's recipe. The steps after it are beside this file.
_base_ = '../_base_/roadmap.py'

# the rate of stochastic depth is ConvNeXt-B's; the paper prints none of its own
model = dict(backbone=dict(track='resnet200', step='modern_recipe', drop_path_rate=0.5))
