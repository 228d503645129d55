"""mmdet's and mmseg's ``Albu`` as data sets here seed it, and as it is."""

from importlib import import_module

import numpy as np
import pytest

from convnext_dense.compat.albu_random import seed_albu
from convnext_dense.data.detection import mixing  # noqa: F401 - seeds mmdet's
from convnext_dense.data.sampler import seeded
from convnext_dense.models import segmentor  # noqa: F401 - seeds mmseg's

TRANSFORMS = [dict(type='HorizontalFlip'), dict(type='RandomBrightnessContrast', p=1.0)]
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)


def made(step, seed):
    with seeded(seed):
        return step.transform({'img': IMAGE.copy()})['img']


def albu_of(library):
    return import_module(f'{library}.datasets.transforms').Albu


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_a_sample_depends_on_its_seed(library):
    albu = albu_of(library)
    before = albu.transform
    seed_albu(albu)  # once
    assert albu.transform is before
    first, second = (albu(transforms=TRANSFORMS) for _ in range(2))
    assert np.array_equal(made(first, 3), made(second, 3))
    assert not np.array_equal(made(first, 3), made(first, 4))


def test_without_the_change_nothing_seeds_it():
    """When this fails, the library needs no change any more."""

    class Plain(albu_of('mmdet')):
        transform = albu_of('mmdet').transform.__wrapped__

    first, second = (Plain(transforms=TRANSFORMS) for _ in range(2))
    assert not all(np.array_equal(made(first, seed), made(second, seed)) for seed in range(5))
