"""Tests of the packaged recipe and the official weights that an adapted config takes."""

import pytest
import timm

from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.packaged import TIMM_WEIGHTS, find_pretrained, find_recipe
from convnext_dense.tasks import TASKS


@pytest.mark.parametrize(
    ('task', 'arch', 'recipe', 'weights'),
    [
        ('detection', 'tiny', 'det/cascade_convnext_t_coco.py', 'convnext_tiny_1k_224'),
        ('detection', 'base', 'det/cascade_convnext_b_coco.py', 'convnext_base_1k_224'),
        ('panoptic', 'large', 'det/cascade_convnext_l_22k_coco.py', 'convnext_large_22k_224'),
        ('segmentation', 'xlarge', 'seg/upernet_convnext_xl_22k_ade20k.py', 'convnext_xlarge_22k_224'),
        ('segmentation', 'v2_base', 'seg/upernet_convnextv2_b_ade20k.py', 'convnextv2_base_1k_224_fcmae'),
        ('detection', 'v2_huge', 'det/cascade_convnext_xl_22k_coco.py', 'convnextv2_huge_1k_224_fcmae'),
        ('detection', 'v2_atto', 'det/cascade_convnext_a_coco.py', 'convnextv2_atto_1k_224_fcmae'),
        ('detection', 'atto', 'det/cascade_convnext_a_coco.py', 'work_dirs/convnext_a/epoch_300.pth'),
        ('detection', 'femto', 'det/cascade_convnext_a_coco.py', 'work_dirs/convnext_f/epoch_300.pth'),
        ('detection', 'v2_small', 'det/cascade_convnext_s_coco.py', None),
        ('segmentation', 'xxlarge', 'seg/upernet_convnext_xl_22k_ade20k.py', None),
    ],
)
def test_recipe_and_weights_are_those_of_the_architecture(task, arch, recipe, weights):
    notes, wanted = Notes(), find_arch(arch)
    found = find_recipe(TASKS[task].adaptation.recipe, wanted)
    assert found.name == f'configs/{recipe}'
    assert find_pretrained(found, wanted, notes) == weights
    is_official = weights is not None and not weights.startswith('work_dirs')
    assert bool(notes.undecided) is not is_official


def test_weights_of_timm_are_in_its_registry():
    assert {f'timm:{name}' for name in timm.list_pretrained('convnext_*')} >= set(TIMM_WEIGHTS.values())
