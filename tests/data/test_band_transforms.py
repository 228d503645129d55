"""Each recipe's training pipeline on six bands: what it does to each of them is what it does to three."""

import random

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from convnext_dense.config.read import read_config
from convnext_dense.data.band_transforms import FILLED, in_threes, join_threes
from convnext_dense.io.image_size import ImageSize
from convnext_dense.registry import TRANSFORMS
from convnext_dense.tasks.bands import BandOptions, set_normalization
from convnext_dense.tasks.config_parts import loaders

RECIPES = [
    'det/cascade_convnext_t_coco.py',
    'det/dino_convnext_t_coco.py',
    'det/rtmdet_convnext_t_coco.py',
    'det/mask2former_convnext_t_coco.py',
    'panoptic/mask2former_convnext_t_coco.py',
    'seg/upernet_convnext_t_ade20k.py',
    'seg/mask2former_convnext_t_ade20k.py',
]
MEANS = [100.0, 2000.0, -5.0]
SIZE = ImageSize(96, 96)


class Images:
    """Two images of some bands with a box each, as a data set inside ``MixedImages`` is."""

    def __init__(self, places):
        self.places = places

    def __len__(self):
        return 2

    def get_data_info(self, index):
        return {'instances': [1]}

    def sample(self, index):
        from mmdet.structures.bbox import HorizontalBoxes
        from mmdet.structures.mask import BitmapMasks

        rng = np.random.default_rng(index)
        image = (rng.random((70, 90, 3)) * 30 + MEANS).astype(np.float32)[..., self.places]
        mask = np.zeros((1, 70, 90), np.uint8)
        mask[:, 10:50, 20:60] = 1
        labels = np.where(mask[0], 1, 0).astype(np.uint8)
        return dict(
            img=image, img_path='a.png', img_id=1, img_shape=(70, 90), ori_shape=(70, 90), height=70, width=90,
            gt_bboxes=HorizontalBoxes(np.float32([[20, 10, 60, 50]])), gt_bboxes_labels=np.array([0]),
            gt_ignore_flags=np.array([False]), gt_masks=BitmapMasks(mask, 70, 90), gt_seg_map=labels,
            seg_fields=['gt_seg_map'], scale_factor=(1.0, 1.0),
        )  # fmt: skip


def prepared(recipe, places, split='train_dataloader'):
    """Run a pipeline without its loading steps on an image whose bands are those of three at these places."""
    names = tuple(range(1, len(places) + 1))
    cfg = read_config(f'configs/{recipe}', needs_data=False, image_size=SIZE, bands=BandOptions(names))
    set_normalization(cfg, [MEANS[place] for place in places], [1.0] * len(places))
    dataset = cfg[split].dataset
    steps = [step for step in dataset.pipeline if 'Load' not in step['type']]
    data = Images(list(places))
    results = data.sample(0)
    if recipe.startswith('seg'):
        results = {key: value for key, value in results.items() if not key.startswith(('gt_bb', 'gt_m', 'gt_ig'))}
    random.seed(3), np.random.seed(3)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for step in Compose(steps).transforms:
            if hasattr(step, 'get_indexes'):
                drawn = step.get_indexes(data)
                others = drawn if isinstance(drawn, list) else [drawn]
                results['mix_results'] = [data.sample(other) for other in others]
            results = step(results)
    return results


@pytest.mark.parametrize('recipe', RECIPES)
@pytest.mark.parametrize('split', ['train_dataloader', 'test_dataloader'])
def test_each_band_is_changed_as_alone_among_three(recipe, split):
    three = prepared(recipe, (0, 1, 2), split)['inputs'].numpy()
    seven = prepared(recipe, (2, 1, 0, 0, 1, 2, 1), split)['inputs'].numpy()
    assert three.dtype == seven.dtype == np.float32
    assert np.abs(three - three.mean()).max() > 100
    np.testing.assert_allclose(seven, three[[2, 1, 0, 0, 1, 2, 1]], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize('recipe', RECIPES)
def test_one_band(recipe):
    three = prepared(recipe, (0, 1, 2))['inputs'].numpy()
    one = prepared(recipe, (1,))['inputs'].numpy()
    np.testing.assert_allclose(one, three[[1]], rtol=1e-5, atol=1e-3)


def test_pads_get_the_mean_of_each_band():
    inputs = prepared('det/rtmdet_convnext_t_coco.py', (0, 1, 2, 1), 'test_dataloader')['inputs'].numpy()
    bottom = inputs[:, -5:]
    np.testing.assert_allclose(bottom, np.broadcast_to(np.float32(MEANS)[[0, 1, 2, 1], None, None], bottom.shape))


@pytest.mark.parametrize('name', ['Expand', 'RandomAffine', 'CutOut', 'Rotate'])
def test_every_transform_that_fills(name):
    """The other bands of a constant image stay constant, whatever moves in from outside."""
    options = {
        'Expand': dict(ratio_range=(2, 2), prob=1.0, seg_ignore_label=255),
        'RandomAffine': dict(max_translate_ratio=0.4),
        'CutOut': dict(n_holes=3, cutout_shape=(9, 9)),
        'Rotate': dict(prob=1.0),
    }[name]
    random.seed(1), np.random.seed(1)
    key, zero = FILLED[name]
    fill = [5.0, 6.0, 7.0, 8.0, 9.0]
    with DefaultScope.overwrite_default_scope('mmdet'):
        step = TRANSFORMS.build(
            dict(type=f'convnext_dense.{name}', around=f'mmdet.{name}', fill=fill, **{key: zero}, **options)
        )
        results = Images([0, 1, 2, 0, 1]).sample(0)
        del results['gt_masks']
        results['img'] = np.broadcast_to(np.float32(fill), (70, 90, 5)).copy()
        results['img'][20:50, 20:70] += 100
        changed = step(results)['img']
    assert (changed[..., 0] > 50).any()
    np.testing.assert_allclose(changed - fill, np.broadcast_to(changed[..., :1] - fill[0], changed.shape), atol=1e-4)
    assert changed[..., 4].min() == pytest.approx(9, abs=1e-4)


def test_threes():
    image = np.arange(2 * 2 * 7).reshape(2, 2, 7)
    parts = in_threes(image)
    assert [part.shape for part in parts] == [(2, 2, 3)] * 3
    np.testing.assert_array_equal(join_threes(parts, 7), image)


def test_no_recipe_keeps_a_transform_of_colors():
    for recipe in RECIPES:
        cfg = read_config(f'configs/{recipe}', needs_data=False, bands=BandOptions((1, 2, 3, 4)))
        assert 'Distortion' not in str([loader.dataset for loader in loaders(cfg)])
        assert 'HSV' not in str(cfg.to_dict().get('custom_hooks')) + str(cfg.train_dataloader)
