# The roadmap from ResNet-50 to ConvNeXt-T: the ResNet, by ConvNeXt's recipe. The steps after it are beside this file.
_base_ = '../_base_/roadmap.py'

model = dict(backbone=dict(track='resnet50', step='modern_recipe', drop_path_rate=0.1))
