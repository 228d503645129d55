"""The rule for few images, by numbers that are counted by hand."""

import pytest

from convnext_dense.config.small_recipe import Length, batch_of, ema_momentum, length_of


@pytest.mark.parametrize(
    ('images', 'own', 'batch'),
    [
        (5, 4096, 5),  # no more than there are
        (60, 4096, 8),  # 60 / 8 is 7.5, of which the power of two below is smaller than the smallest batch
        (127, 4096, 8),
        (128, 4096, 16),
        (200, 4096, 16),
        (256, 4096, 32),
        (100_000, 4096, 32),
        (1000, 16, 16),
        (1000, 4, 4),
    ],
)
def test_batch(images, own, batch):
    assert batch_of(images, own) == batch


@pytest.mark.parametrize(
    ('images', 'of_epoch', 'own', 'length'),
    [
        (200, 12, Length(300, False), Length(300, False)),  # 3,600 steps are enough
        (200, 12, Length(36, False), Length(84, False)),  # 84 x 12 = 1,008
        (16, 1, Length(36, False), Length(1000, False)),
        (200, 12, Length(160_000, True), Length(1200, True)),  # 100 passes of 12 steps
        (60, 7, Length(160_000, True), Length(1000, True)),
        (60, 7, Length(900, True), Length(900, True)),  # never longer, where the config counts steps
    ],
)
def test_length(images, of_epoch, own, length):
    assert length_of(images, of_epoch, own) == length


def test_the_average_is_over_a_tenth_of_the_run():
    assert ema_momentum(94_000) == pytest.approx(1e-4, rel=0.1)  # ConvNeXt's own
    assert ema_momentum(1000) == 0.01
    assert ema_momentum(1) == 0.5


def test_length_in_words():
    assert str(Length(1, False)) == '1 epoch' and str(Length(1200, True)) == '1,200 steps'
