# The roadmap's start: ResNet-200 by its old recipe. Top-1 78.20 (published).
_base_ = './r50_00_baseline.py'

model = dict(backbone=dict(track='resnet200'))
