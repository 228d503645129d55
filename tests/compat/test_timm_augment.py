"""timm's RandAugment with other functions."""

from PIL import Image
from timm.data import auto_augment

from convnext_dense.compat.timm_augment import replace_functions


def mine(image, *args, **kwargs):
    return image


def test_timm_still_shears_by_pillow_and_takes_no_function():
    assert 'transform' in auto_augment.shear_x.__code__.co_names, 'timm has a faster one: look at augment.py'
    assert 'aug_fn' not in auto_augment.AugmentOp.__init__.__code__.co_varnames, 'hand the function over instead'


def test_functions_are_replaced_in_one_transform_alone():
    bicubic, bilinear = (
        auto_augment.rand_augment_transform('rand-m9', dict(interpolation=resample))
        for resample in (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR)
    )
    others = [op.aug_fn for op in bicubic.ops if op.aug_fn is not auto_augment.shear_x]
    for augment in (bicubic, bilinear):
        replace_functions(augment, {auto_augment.shear_x: mine}, Image.Resampling.BICUBIC)
    assert [op.aug_fn for op in bicubic.ops if op.aug_fn is not mine] == others
    assert len(others) == len(bicubic.ops) - 1
    assert all(op.aug_fn is not mine for op in bilinear.ops)
    assert auto_augment.NAME_TO_OP['ShearX'] is auto_augment.shear_x
