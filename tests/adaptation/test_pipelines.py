"""Tests of the steps of a source's pipelines."""

import pytest
from mmengine.registry import TRANSFORMS

from convnext_dense.adaptation.notes import NotAdaptable, Notes
from convnext_dense.adaptation.pipelines import Reader, adapt_testing, adapt_training
from convnext_dense.data.detection import mixing  # noqa: F401 - registers the steps that mix images
from convnext_dense.models import detector, segmentor  # noqa: F401 - register the steps
from convnext_dense.tasks import TASKS


def reader(library='mmdet', task='detection', learns_masks=True):
    return Reader(library, TASKS[task].adaptation, learns_masks, Notes())


def test_steps_of_mmdet_are_read_here_and_have_scopes():
    steps = [
        dict(type='LoadImageFromFile', backend_args=None),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='RandomChoiceResize', scales=[(64, 64)], keep_ratio=True),
        dict(type='RandomChoice', transforms=[[dict(type='RandomFlip', prob=0.5)], [dict(type='Pad', size=(8, 8))]]),
        dict(type='PackDetInputs'),
    ]
    assert adapt_training(steps, reader()) == [
        dict(type='convnext_dense.LoadImage'),
        dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
        dict(type='mmcv.RandomChoiceResize', scales=[(64, 64)], keep_ratio=True, resize_type='mmdet.Resize'),
        dict(
            type='mmcv.RandomChoice',
            transforms=[[dict(type='mmdet.RandomFlip', prob=0.5)], [dict(type='mmdet.Pad', size=(8, 8))]],
        ),
        dict(type='mmdet.PackDetInputs'),
    ]
    assert adapt_training(steps, reader(learns_masks=False))[1] == dict(type='mmdet.LoadAnnotations', with_bbox=True)
    assert 'convnext_dense.LoadPanoptic' in [
        step['type'] for step in adapt_training([dict(type='LoadPanopticAnnotations')], reader(task='panoptic'))
    ]


def test_steps_of_mmseg_are_ours_where_they_do_the_same():
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', reduce_zero_label=True),
        dict(type='RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
        dict(type='RandomCrop', crop_size=8, ignore_index=0),
        dict(type='PhotoMetricDistortion'),
        dict(type='PhotoMetricDistortion', hue_delta=9),
    ]
    assert adapt_training(steps, reader('mmseg', 'segmentation')) == [
        dict(type='convnext_dense.LoadImage'),
        dict(type='convnext_dense.LoadMask'),
        dict(type='convnext_dense.RandomCrop', crop_size=(512, 1024), cat_max_ratio=0.75),
        dict(type='mmseg.RandomCrop', crop_size=8, ignore_index=0),
        dict(type='convnext_dense.PhotoMetricDistortion'),
        dict(type='mmseg.PhotoMetricDistortion', hue_delta=9),
    ]


def test_testing_gives_the_ground_truth_to_our_metrics():
    steps = [dict(type='LoadAnnotations', with_bbox=True), dict(type='PackDetInputs', meta_keys=('img_id', 'border'))]
    needed = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
    (packed,) = adapt_testing(steps, reader())
    assert packed['meta_keys'] == (*needed, 'border', 'instances')
    (packed,) = adapt_testing(steps, reader(task='panoptic'))
    assert packed['meta_keys'] == (*needed, 'border', 'panoptic')
    views = dict(type='TestTimeAug', transforms=[[dict(type='LoadAnnotations')], [dict(type='RandomFlip', prob=1.0)]])
    assert adapt_testing([views], reader())[0]['transforms'] == [[dict(type='mmdet.RandomFlip', prob=1.0)]]


def test_arguments_that_matter_are_kept_and_packages_named():
    given = reader()
    assert adapt_training([dict(type='LoadImageFromFile', to_float32=True)], given) == [
        dict(type='convnext_dense.LoadImage', to_float32=True)
    ]
    inside = dict(type='Albu', transforms=[dict(type='Blur', p=0.1)])  # of albumentations
    assert adapt_training([inside], given) == [dict(inside, type='mmdet.Albu')]
    assert given.notes.undecided == ['Albu needs a package of its own: pip install albumentations']
    step = dict(type='LoadAnnotations', with_bbox=True, with_mask=True, poly2mask=False)
    assert adapt_training([step], given)[0]['poly2mask'] is False
    assert 'RLE' in given.notes.undecided[1]
    cached = dict(type='CachedMosaic', img_scale=(8, 8), max_cached_images=4, random_pop=False)
    assert adapt_training([cached], given) == [dict(type='convnext_dense.Mosaic', img_scale=(8, 8))]
    assert adapt_training([cached], reader(learns_masks=False)) == adapt_training([cached], given)
    mixed = dict(type='CachedMixUp', img_scale=(8, 8), prob=0.5)  # mmdet's MixUp has no prob
    (step,) = adapt_training([mixed], reader(learns_masks=False))
    assert TRANSFORMS.build(step).prob == 0.5


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        ('LoadProposals', 'LoadProposals, which reads proposals of another detector'),
        ('LoadTrackAnnotations', 'LoadTrackAnnotations, which reads videos'),
        ('LoadDepthAnnotation', 'which reads depth maps'),
        ('LoadSomethingElse', 'LoadSomethingElse, which reads other data'),
        ('NoSuchStep', 'its pipeline has NoSuchStep, which neither mmdet nor mmcv has'),
    ],
)
def test_steps_for_other_data_are_refused(step, message):
    with pytest.raises(NotAdaptable, match=message):
        adapt_training([dict(type=step)], reader())
