"""The quickened transform draws what timm's draws and makes the same images of it."""

import pickle
import random

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment, create_transform

from convnext_dense.data.classification.augment import FASTER, Crop, ToNormalized, replace_slow_parts
from convnext_dense.data.classification.transforms import train_transform
from convnext_dense.data.sampler import seeded

RECIPE = dict(interpolation='bicubic', auto_augment='rand-m9-mstd0.5-inc1', re_prob=0.25, re_mode='pixel')
FILL = (124, 116, 104)
LEVEL = 1 / 255 / 0.224  # of a normalized image


def photo(width: int, height: int) -> Image.Image:
    """Slopes, a sharp edge in both directions and some noise."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 20, (height, width, 3))
    slopes = np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], -1)
    return Image.fromarray(np.where(((x // 19 + y // 13) % 2)[..., None], 255 - slopes, noise).astype(np.uint8))


def both(size: int = 48, **options):
    return create_transform(size, is_training=True, **options), train_transform(size, **options)


def levels(one: Image.Image, other: Image.Image) -> np.ndarray:
    assert one.size == other.size and one.mode == other.mode == 'RGB'
    return np.abs(np.asarray(one).astype(int) - np.asarray(other))


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('shape', [(120, 90), (30, 50), (300, 7)], ids=['smaller', 'larger', 'odd'])
def test_crops_are_pillows_to_two_levels(shape, interpolation):
    timms, ours = (transform.transforms[0] for transform in both(interpolation=interpolation))
    assert type(ours) is Crop
    image = photo(*shape)
    for seed in range(20):
        pair = []
        for crop in (timms, ours):
            random.seed(seed)
            pair.append(crop(image))
        difference = levels(*pair)
        assert difference.max() <= 2
        assert difference.mean() < 0.05


def test_workers_that_are_spawned_get_the_transform():
    transform = train_transform(32, **RECIPE)
    copy, image = pickle.loads(pickle.dumps(transform)), photo(50, 40)
    for seed in range(5):
        with seeded(seed):
            wanted = transform(image)
        with seeded(seed):
            assert torch.equal(copy(image), wanted)


@pytest.mark.parametrize('op', FASTER, ids=lambda op: op.__name__)
def test_shears_and_translations_are_pillows_to_one_level(op):
    """Everywhere, the filled part and the edges included; far beyond what RandAugment asks for."""
    options = dict(resample=Image.Resampling.BICUBIC, fillcolor=FILL)
    for image in (photo(48, 48), photo(61, 40), photo(1, 3), Image.new('RGB', (9, 9), (255, 0, 77))):
        for strength in (0, 0.27, -0.27, 0.1234, -0.45, 1 / 3, 0.5, -1, 5.5, -40):
            difference = levels(op(image, strength, **options), FASTER[op](image, strength, **options))
            assert difference.max() <= 1
            assert (difference > 0).mean() < 0.02


def test_normalized_levels_are_timms_to_the_last_bit():
    *_, to_tensor, normalize = create_transform(48, is_training=True, color_jitter=None).transforms
    image = photo(256, 3)
    normalized = ToNormalized(normalize)(image)
    assert torch.equal(normalized, normalize(to_tensor(image)))
    assert normalized.is_contiguous()


def test_crop_flip_and_erasing_are_those_of_timm():
    """Without RandAugment, some of whose operations make much of a level."""
    timms, ours = both(color_jitter=None, **{**RECIPE, 'auto_augment': None, 're_prob': 0.5})
    for seed in range(40):
        with seeded(seed):
            expected = timms(photo(120, 90))
        with seeded(seed):
            assert (ours(photo(120, 90)) - expected).abs().max() < 2.01 * LEVEL


def test_every_draw_is_timms():
    """The same operations with the same strengths in the same order, and no number drawn more or less."""
    drawn: tuple[list, list] = [], []
    for log, transform in zip(drawn, both(**RECIPE), strict=True):
        (policy,) = (part for part in transform.transforms if isinstance(part, auto_augment.RandAugment))
        for op in policy.ops:

            def record(image, *args, op=op, do=op.aug_fn, log=log, **options):
                log.append((op.name, *args, options['fillcolor'], options['resample']))
                return do(image, *args, **options)

            op.aug_fn = record
        for seed in range(150):
            with seeded(seed):
                transform(photo(60, 50))
                log.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]
    assert {name for name, *_ in drawn[0] if isinstance(name, str)} == set(auto_augment._RAND_INCREASING_TRANSFORMS)


def test_where_nothing_is_faster_timms_parts_stay():
    timms = create_transform(48, is_training=True, **{**RECIPE, 'interpolation': 'random'})
    kept = list(timms.transforms)
    assert replace_slow_parts(timms).transforms[:3] == kept[:3]
    for interpolation in ('random', 'bilinear'):
        _, ours = both(**{**RECIPE, 'interpolation': interpolation})
        (policy,) = (part for part in ours.transforms if isinstance(part, auto_augment.RandAugment))
        assert [op.aug_fn for op in policy.ops] == [auto_augment.NAME_TO_OP[op.name] for op in policy.ops]
    assert not set(auto_augment.NAME_TO_OP.values()) & set(FASTER.values())


@pytest.mark.parametrize('policy', ['original-mstd0.5', 'augmix-m5-w4-d2', '3a'], ids=['auto', 'augmix', '3-augment'])
def test_other_policies_of_timm_work(policy):
    with seeded(0):
        assert train_transform(48, auto_augment=policy)(photo(60, 50)).shape == (3, 48, 48)


def test_crops_of_more_pixels_than_pillow_cuts_are_the_same(monkeypatch):
    image, (_, transform) = photo(120, 90), both(re_prob=0.0)
    with seeded(3):
        expected = transform(image)
    monkeypatch.setattr('convnext_dense.data.classification.augment.DEFAULT_MAX_PIXELS', 1)
    with seeded(3):
        assert torch.equal(transform(image), expected)
