"""Which patches are hidden, and images cut into patches."""

import numpy as np
import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.models.patches import (
    draw_visible,
    fixed_visible,
    hidden_mask,
    seeded_visible,
    to_images,
    to_patches,
    visible_count,
)


@pytest.mark.parametrize(
    ('patches', 'ratio', 'visible'),
    [(49, 0.6, 19), (49, 0.75, 12), (256, 0.6, 102), (10, 0.9, 1), (10, 0.6, 4), (100, 0.99, 1), (100, 0.01, 99)],
)
def test_the_official_number_of_patches_stays_visible(patches, ratio, visible):
    assert visible_count(patches, ratio) == visible


def test_an_image_of_which_nothing_would_be_visible_is_refused():
    with pytest.raises(
        UserError, match=r'^with a mask ratio of 0.6 none of 2 patches .* take images of 64 pixels'
    ) as e:
        visible_count(2, 0.6)
    assert '\n' not in str(e.value)
    with pytest.raises(UserError, match='320 pixels or more'):
        visible_count(49, 0.99)


def test_every_patch_is_hidden_equally_often_and_each_image_draws_for_itself():
    torch.manual_seed(0)
    visible = draw_visible(20_000, 49, 19)
    assert visible.shape == (20_000, 19) and visible.dtype == torch.int64
    assert bool((visible.diff(dim=1) > 0).all())  # ascending, so all different
    hidden = hidden_mask(visible, 7, 7)
    assert set(hidden.flatten(1).sum(dim=1).tolist()) == {30}
    share = hidden.double().mean(dim=0)
    assert (share - 30 / 49).abs().max() < 5 * (30 * 19 / 49**2 / 20_000) ** 0.5
    # two patches are hidden at once as often as in draws without replacement
    both = (hidden[:, 0, 0] & hidden[:, 3, 4]).double().mean().item()
    assert both == pytest.approx(30 / 49 * 29 / 48, abs=0.015)
    assert len({tuple(row) for row in visible[:1000].tolist()}) == 1000


def test_the_seed_decides_and_the_draw_goes_on():
    torch.manual_seed(3)
    first, second = draw_visible(4, 49, 19), draw_visible(4, 49, 19)
    torch.manual_seed(3)
    assert torch.equal(draw_visible(4, 49, 19), first)
    assert not torch.equal(first, second)


def test_an_image_with_a_seed_draws_the_same_patches_in_any_batch():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    seeds = [int(seed) for seed in np.random.default_rng(0).integers(0, 2**32, 4000)]
    visible = seeded_visible(seeds, 49, 19)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(seeded_visible(seeds[1::2], 49, 19), visible[1::2])
    hidden = hidden_mask(visible, 7, 7)
    assert set(hidden.flatten(1).sum(dim=1).tolist()) == {30}
    assert (hidden.double().mean(dim=0) - 30 / 49).abs().max() < 5 * (30 * 19 / 49**2 / 4000) ** 0.5
    assert len({tuple(row) for row in visible.tolist()}) == 4000


def test_patches_do_not_follow_what_augmentation_draws_from_the_same_seed():
    torch.manual_seed(11)
    first = torch.rand(49).argsort(stable=True)[:19].sort().values
    assert not torch.equal(seeded_visible([11], 49, 19)[0], first)


def test_fixed_patches_depend_on_the_names_of_files_alone():
    state = torch.get_rng_state()
    visible = fixed_visible(['a.jpg', 'b.jpg', 'folder/a.jpg', '/other/b.jpg'], 49, 19)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(visible[0], visible[2]) and torch.equal(visible[1], visible[3])
    assert not torch.equal(visible[0], visible[1])
    assert torch.equal(visible[1:2], fixed_visible(['b.jpg'], 49, 19))


def test_patches_of_images_and_images_of_patches():
    images = torch.randn(2, 5, 64, 96)
    patches = to_patches(images)
    assert patches.shape == (2, 6, 32 * 32 * 5)
    for row, column, y, x, channel in [(0, 0, 0, 0, 0), (1, 2, 31, 30, 4), (0, 1, 7, 19, 3)]:
        value = images[1, channel, 32 * row + y, 32 * column + x]
        assert patches[1, 3 * row + column, (32 * y + x) * 5 + channel] == value
    assert torch.equal(to_images(patches, 2, 3), images)
