"""Tests of the scopes of registered classes."""

from mmengine.registry import DATASETS, HOOKS, PARAM_SCHEDULERS, TRANSFORMS

from convnext_dense.adaptation.registered import scoped
from convnext_dense.models import detector, segmentor  # noqa: F401 - register mmdet and mmseg


def test_scope_is_the_package_that_has_the_class():
    assert scoped(TRANSFORMS, 'Resize', 'mmdet') == 'mmdet.Resize'
    assert scoped(TRANSFORMS, 'Resize', 'mmseg') == 'mmseg.Resize'
    assert scoped(TRANSFORMS, 'RandomResize', 'mmdet') == 'mmcv.RandomResize'
    assert scoped(TRANSFORMS, 'mmdet.Albu', 'mmdet') == 'mmdet.Albu'
    assert scoped(PARAM_SCHEDULERS, 'MultiStepLR', 'mmdet') == 'MultiStepLR'
    assert scoped(PARAM_SCHEDULERS, 'QuadraticWarmupLR', 'mmdet') == 'mmdet.QuadraticWarmupLR'
    assert scoped(HOOKS, 'SetEpochInfoHook', 'mmdet') == 'mmdet.SetEpochInfoHook'
    assert scoped(DATASETS, 'ClassBalancedDataset', 'mmdet') == 'ClassBalancedDataset'
    assert scoped(TRANSFORMS, 'Nothing', 'mmdet') is None
