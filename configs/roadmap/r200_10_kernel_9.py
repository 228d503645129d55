_base_ = './r200_01_modern_recipe.py'

model = dict(backbone=dict(step='kernel_9'))
