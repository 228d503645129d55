# The roadmap from ResNet-200 to ConvNeXt-B: the ResNet, by ConvNeXt's recipe. Top-1 81.14 (published). The steps after
# it are beside this file.
_base_ = './r50_01_modern_recipe.py'

# the rate of stochastic depth is ConvNeXt-B's; the paper prints none of its own
model = dict(backbone=dict(track='resnet200', drop_path_rate=0.5))
