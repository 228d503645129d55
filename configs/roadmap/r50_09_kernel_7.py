_base_ = './r50_01_modern_recipe.py'

model = dict(backbone=dict(step='kernel_7'))
