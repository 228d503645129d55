"""Balanced classes: the rules against their papers, and samples of an epoch that are exact whatever cuts it."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ClassBalancedDataset, ConcatDataset, RepeatDataset

from convnext_dense.data import sampler as module
from convnext_dense.data.balance import Balance, SampleClasses, describe, draw, find_classes
from convnext_dense.data.detection.mixed import MixedImages
from convnext_dense.data.foreign import SeededDataset
from convnext_dense.data.sampler import AspectRatioBatches, SeededSampler
from convnext_dense.errors import UserError
from tests.conftest import write_image_folder


class Shown(BaseDataset):
    """A data set of which only the classes of the samples are known."""

    def __init__(self, *labels: list[int], one_class_each: bool = False) -> None:
        self._metainfo = dict(classes=['cat', 'dog', 'eel', 'fox'])
        self.cat_ids, self.one_class_each = labels, one_class_each

    def __len__(self) -> int:
        return len(self.cat_ids)

    def get_cat_ids(self, index: int) -> list[int]:
        return list(self.cat_ids[index])

    def get_data_info(self, key: tuple[int, int]) -> dict:
        return {'width': 2 + key[0] % 2, 'height': 2}

    def full_init(self) -> None:
        pass


def one_each(*counts: int) -> Shown:
    return Shown(*([label] for label, count in enumerate(counts) for _ in range(count)), one_class_each=True)


SEVERAL = Shown([0, 0, 1], [0], [0, 3], [], [0], [0], [1, 0], [0], [0], [0])


def epoch(dataset: object, number: int = 0, skip: int = 0, total: int = 1, **settings) -> list[tuple[int, int]]:
    sampler = SeededSampler(dataset, shuffle=True, seed=5, **{'balance': 1.0, **settings})
    sampler.use_whole_batches(total)
    sampler.set_epoch(number)
    sampler.start_after(skip)
    return list(sampler)


@pytest.mark.parametrize('number', range(3))
@pytest.mark.parametrize(
    ('strength', 'expected'),
    # 64 + 16 + 4 + 0 + 4 samples: equal shares of 88; shares of 8 : 4 : 2 : 2; what there is, nearly
    [(1.0, (22, 22, 22, 0, 22)), (0.5, (44, 22, 11, 0, 11)), (1e-9, (64, 16, 4, 0, 4))],
)
def test_each_class_has_its_share_of_an_epoch(strength, expected, number):
    dataset = one_each(64, 16, 4, 0, 4)
    drawn = Counter(index for index, _ in epoch(dataset, number, balance=strength))
    assert sum(drawn.values()) == len(dataset) == 88
    labels = [label for (label,) in dataset.cat_ids]
    of_class = Counter(labels[index] for index in drawn.elements())
    assert tuple(of_class[label] for label in range(5)) == expected
    for label in range(5):  # and each sample of a class the same, up to one
        times = [drawn[index] for index, own in enumerate(labels) if own == label]
        assert max(times, default=0) - min(times, default=0) <= 1


def test_samples_with_several_classes_have_the_repeat_factors_of_lvis():
    ours = Balance(0.5, threshold=0.3).expected(find_classes(SEVERAL))
    theirs = ClassBalancedDataset._get_repeat_factors(SimpleNamespace(dataset=SEVERAL), SEVERAL, 0.3)
    assert len(set(theirs)) == 3
    assert ours == pytest.approx(np.array(theirs) * 10 / sum(theirs), rel=1e-8)
    # cat is in 9 of 10, dog in 2, fox in 1: the mean share is 0.4
    factors = [2**0.5, 1, 2, 1, 1, 1, 2**0.5, 1, 1, 1]
    ours = Balance(0.5).expected(find_classes(SEVERAL))
    assert ours == pytest.approx(np.array(factors) * 10 / sum(factors), rel=1e-8)
    factors = [2, 1, 4, 1, 1, 1, 2, 1, 1, 1]
    assert Balance(1.0).expected(find_classes(SEVERAL)) == pytest.approx(np.array(factors) * 10 / sum(factors))


def test_on_average_samples_come_as_often_as_expected():
    expected = Balance(0.5).expected(find_classes(SEVERAL))
    counts = np.zeros(10)
    for number in range(4000):
        own = Counter(index for index, _ in epoch(SEVERAL, number, balance=0.5)) if number < 20 else None
        indices = draw(expected, None, np.random.default_rng(number)).indices
        times = np.bincount(indices, minlength=10)
        assert len(indices) == 10 and (np.floor(expected) <= times).all() and (times <= np.ceil(expected)).all()
        assert own is None or sum(own.values()) == 10
        counts += times
    assert counts / 4000 == pytest.approx(expected, abs=0.03)


def test_a_sample_that_comes_again_is_augmented_anew():
    drawn = epoch(one_each(20, 2))
    again = [index for index, _ in drawn if index >= 20]
    assert len(again) == 11 and len(set(drawn)) == len(drawn) == 22
    assert epoch(one_each(20, 2)) == drawn != epoch(one_each(20, 2), 1)
    alone = dict(list(SeededSampler(one_each(20, 2), shuffle=True, seed=5)))
    assert {alone[index] for index in set(again)} < {seed for _, seed in drawn}  # the first time as without balance


@pytest.mark.parametrize('processes', [2, 3])
def test_processes_share_the_samples_of_one(monkeypatch, processes):
    dataset = one_each(20, 4, 1)
    alone, parts = epoch(dataset, total=6), []
    assert len(alone) == 24
    for rank in range(processes):
        monkeypatch.setattr(module, 'get_dist_info', lambda rank=rank: (rank, processes))
        parts.append(epoch(dataset, total=6))
    assert [list(rows) for rows in zip(*parts, strict=True)] == [
        alone[start : start + processes] for start in range(0, 24, processes)
    ]


@pytest.mark.parametrize('dataset', [one_each(20, 4, 1), SEVERAL])
def test_an_interrupted_epoch_goes_on_where_it_was(dataset):
    whole = epoch(dataset, 3)
    for done in (1, 7):
        assert epoch(dataset, 3, skip=done) == whole[done:]


def test_batches_by_aspect_ratio_are_balanced_too():
    sampler = SeededSampler(one_each(20, 4, 1), shuffle=True, seed=1, balance=1.0)
    sampler.use_whole_batches(4)
    drawn = [index for batch in AspectRatioBatches(sampler, 4) for index, _ in batch]
    assert len(drawn) == 24 and 6 <= drawn.count(24) <= 9


def test_wrappers_are_looked_through():
    first, second = one_each(2, 1), one_each(0, 1)
    assert find_classes(ConcatDataset([first, second])).labels.tolist() == [0, 0, 1, 1]
    assert find_classes(ConcatDataset([first, second])).one_each
    both = find_classes(SeededDataset(ConcatDataset([SEVERAL, one_each(1)])))
    assert both.size == 11 and not both.one_each
    assert both.samples[-1] == 10 and both.labels.tolist()[:4] == [0, 1, 0, 0]
    assert find_classes(SeededDataset(RepeatDataset(second, 3))).samples.tolist() == [0, 1, 2]
    assert find_classes(MixedImages(SEVERAL, [])).size == 10
    with pytest.raises(UserError, match='are a ClassBalancedDataset, which balances classes itself'):
        find_classes(SeededDataset(ClassBalancedDataset(SEVERAL, 0.1)))
    with pytest.raises(UserError, match='Untold of the training data does not tell which classes a sample shows'):
        find_classes(type('Untold', (), {'__len__': lambda self: 1})())


def test_the_other_images_of_a_mosaic_are_drawn_by_the_same_chances():
    mixed = MixedImages(one_each(90, 10), [])
    drawn = [mixed._drawn(index) for index in range(100)]
    assert drawn == [*range(100)]
    SeededSampler(mixed, shuffle=True, seed=0, balance=1.0)
    counts = Counter(mixed._drawn(index) >= 90 for index in range(100) for _ in range(40))
    assert counts[True] / 4000 == pytest.approx(0.5, abs=0.03)


def said(dataset, **settings) -> str:
    shown = find_classes(dataset)
    balance = Balance(**{'strength': 1.0, **settings})
    return describe(balance, shown, balance.expected(shown), dataset.metainfo['classes'])


def test_a_line_says_what_becomes_of_the_classes():
    assert said(one_each(20, 8, 2)) == (
        '--balance 1: in an epoch of 30 samples, the rarest class, eel, has 10 samples rather than 2 and the most '
        'frequent class, cat, has 10 samples rather than 20; no sample comes more than 5 times, and each time '
        'augmented anew'
    )
    assert said(SEVERAL, strength=0.5).startswith(
        '--balance 0.5: in an epoch of 10 samples, the rarest class, fox, is in 2 samples rather than 1 and the most '
        'frequent class, cat, is in 9 samples rather than 9; no sample comes more than 2 times'
    )


@pytest.mark.parametrize(
    ('dataset', 'why'),
    [
        (one_each(3, 3, 0, 3), 'each class has 3 samples'),
        (one_each(0, 5), 'there is one class, dog'),
        (Shown([], []), 'no sample shows a class'),
        (Shown([0, 1], [0, 1], []), 'no class is shown by fewer samples than the threshold asks for'),
    ],
)
def test_where_it_changes_nothing_it_says_so_and_the_order_is_the_usual_one(dataset, why):
    assert said(dataset).startswith(f'--balance 1 changes nothing: {why}')
    assert epoch(dataset) == list(SeededSampler(dataset, shuffle=True, seed=5))


def test_what_is_out_of_range_is_named():
    for balance in (-0.1, 1.5, True, '1'):
        with pytest.raises(UserError, match=r'sampler\.balance is .*: take a number above 0, up to 1'):
            SeededSampler(SEVERAL, shuffle=True, balance=balance)
    with pytest.raises(UserError, match=r'sampler\.balance_threshold is 2: take a number above 0'):
        SeededSampler(SEVERAL, shuffle=True, balance=1, balance_threshold=2)
    with pytest.raises(UserError, match=r'balance_threshold=0\.1 has no effect without balance'):
        SeededSampler(SEVERAL, shuffle=True, balance_threshold=0.1)
    with pytest.raises(UserError, match='balance_threshold is for samples that show several classes'):
        SeededSampler(one_each(2, 1), shuffle=True, balance=1, balance_threshold=0.1)
    with pytest.raises(UserError, match='draws samples at random: set its shuffle=True'):
        SeededSampler(SEVERAL, shuffle=False, balance=1.0)
    assert SeededSampler(SEVERAL, shuffle=True, balance=0).balance is None
    assert Balance(1.0).flags == '--balance 1'
    assert Balance(0.5, 0.001).flags == '--balance 0.5 --cfg-options train_dataloader.sampler.balance_threshold=0.001'


def test_an_image_folder_tells_its_labels(tmp_path):
    from convnext_dense.data import ImageFolder

    root = write_image_folder(tmp_path, train=2, val=1)
    dataset = ImageFolder(str(root), 'train', dict(input_size=32))
    shown = find_classes(dataset)
    assert isinstance(shown, SampleClasses) and shown.one_each
    assert shown.labels.tolist() == dataset.labels.tolist() == [dataset.get_cat_ids(i)[0] for i in range(len(dataset))]
    assert Path(dataset.image(0)[0]).exists()
