"""Splits by name and seed: the same everywhere, with every class by its share, and groups that stay together."""

import math
import random
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnext_dense.data.splits import SplitRule, check_rule, group_names, split
from convnext_dense.errors import UserError


def images_of(*counts: int) -> tuple[list[str], list[tuple[str]]]:
    names = [f'class_{k}/{number}.jpg' for k, count in enumerate(counts) for number in range(count)]
    return names, [(name.split('/')[0],) for name in names]


def test_names_and_seed_alone_decide():
    names, labels = images_of(6, 4)
    # written down, so that a change of the rule, which would mix the parts of runs that go on, is noticed
    assert split(names, labels, SplitRule(0.3))[1] == ['class_0/1.jpg', 'class_0/5.jpg', 'class_1/3.jpg']
    assert split(names, labels, SplitRule(0.3, seed=1))[1] == ['class_0/0.jpg', 'class_0/5.jpg', 'class_1/3.jpg']


def test_order_process_and_form_of_unicode_have_no_effect():
    names, labels = images_of(40, 30, 7, 2, 1)
    names = [name.replace('class_1', 'caf\u00e9') for name in names]
    rule = SplitRule(0.25, seed=3)
    expected = split(names, labels, rule)
    for seed in range(3):
        pairs = list(zip(names, labels, strict=True))
        random.Random(seed).shuffle(pairs)
        assert split(*map(list, zip(*pairs, strict=True)), rule) == expected
    decomposed = [name.replace('\u00e9', 'e\u0301') for name in names]  # as a Mac lists them
    assert [[name.replace('e\u0301', '\u00e9') for name in part] for part in split(decomposed, labels, rule)] == list(
        expected
    )
    code = (
        'from convnext_dense.data.splits import SplitRule, split; '
        f'print(split({names!r}, {labels!r}, SplitRule(0.25, seed=3)) == {expected!r})'
    )
    for salt in ('0', '1'):  # of Python's own hash
        environment = {'PYTHONHASHSEED': salt, 'PYTHONPATH': str(Path(__file__).parents[2]), 'PYTHONUTF8': '1'}
        done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True)
        assert done.stdout.strip() == 'True', done.stderr


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    share=st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.37, 0.5]),
    folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_every_class_has_its_share_within_one_image(counts, share, folds, seed):
    names, labels = images_of(*counts)
    # training keeps an image of each class, so that many classes of one image leave too few for validation
    most = sum(min(math.ceil(share * count), count - 1) for count in counts)
    if most >= sum(counts) * share >= 2:
        train, val = split(names, labels, SplitRule(share, seed=seed))
        assert sorted(train + val) == sorted(names)
        in_val, in_train = (Counter(name.split('/')[0] for name in part) for part in (val, train))
        for k, count in enumerate(counts):
            assert abs(in_val[f'class_{k}'] - share * count) < 1 and in_train[f'class_{k}'] >= 1
        assert abs(len(val) - share * len(names)) <= 1 + 1e-9
    if sum(counts) >= folds * len(counts) * 2:
        parts = [split(names, labels, SplitRule(None, folds, fold, seed=seed)) for fold in range(folds)]
        held_out = [name for _, val in parts for name in val]
        assert sorted(held_out) == sorted(names)  # disjoint, and all of them
        for train, val in parts:
            assert sorted(train + val) == sorted(names)
            of_class = Counter(name.split('/')[0] for name in val)
            assert all(abs(of_class[f'class_{k}'] - count / folds) < 1 for k, count in enumerate(counts))


def test_shares_of_many_rare_classes_add_up():
    """Two thirds and a third of each class would be nearest, and not the share of all."""
    names, labels = images_of(*[3] * 500)
    train, val = split(names, labels, SplitRule(0.2))
    assert (len(train), len(val)) == (1200, 300)
    assert set(Counter(name.split('/')[0] for name in train).values()) == {2, 3}
    assert split(*images_of(1, 1, 8), SplitRule(0.2))[1] == ['class_2/0.jpg', 'class_2/5.jpg']  # rare ones are learned


def test_images_of_several_classes_are_stratified_better_than_by_chance():
    rng = random.Random(0)
    shares = {f'c{k}': 0.5 / (k + 1) ** 1.3 for k in range(20)}
    names = [f'{number:04}.jpg' for number in range(1500)]
    labels = [[name for name, p in shares.items() if rng.random() < p] for _ in names]
    totals = Counter(label for of_image in labels for label in of_image)
    label_of = dict(zip(names, labels, strict=True))
    for rule, share in ((SplitRule(0.2), 0.2), (SplitRule(None, 5, 2), 0.2)):
        _, val = split(names, labels, rule)
        counts = Counter(label for name in val for label in label_of[name])
        assert max(abs(counts[label] - share * total) for label, total in totals.items()) <= 2
        assert abs(len(val) - 300) <= 3
        empty = sum(not label_of[name] for name in val)
        assert abs(empty - share * sum(not of_image for of_image in labels)) <= 2
    chosen = rng.sample(names, 300)
    by_chance = Counter(label for name in chosen for label in label_of[name])
    assert max(abs(by_chance[label] - 0.2 * total) for label, total in totals.items()) > 4


@pytest.mark.parametrize('rule', [SplitRule(0.2), SplitRule(None, 4, 1), SplitRule(0.4, seed=7)])
def test_groups_are_never_split(rule):
    rng = random.Random(1)
    names = [
        f'{rng.choice("ab")}/video{video}_{frame}.jpg' for video in range(40) for frame in range(rng.randint(1, 9))
    ]
    names = list(dict.fromkeys(names))
    labels = [(name[0], 'video') for name in names]
    groups, alone = group_names(names, r'(video\d+)_')
    assert alone == [] and len(set(groups)) == 40  # over both folders
    train, val = split(names, labels, rule, groups)
    part_of = defaultdict(set)
    for part, of_part in enumerate((train, val)):
        for name in of_part:
            part_of[name.split('/')[1].split('_')[0]].add(part)
    assert all(len(parts) == 1 for parts in part_of.values()) and len(part_of) == 40
    share = rule.share or 1 / rule.folds
    for letter in 'ab':
        whole = sum(name[0] == letter for name in names)
        assert abs(sum(name[0] == letter for name in val) - share * whole) < 0.1 * whole


def test_a_group_is_what_the_expression_finds():
    names = ['cam1/a_01.jpg', 'cam1/a_02.jpg', 'cam2/a_01.jpg', 'still.jpg']
    assert group_names(names, r'cam\d/[a-z]')[0][:3] == ['cam1/a', 'cam1/a', 'cam2/a']
    groups, alone = group_names(names, r'cam\d/([a-z])')
    assert groups[:3] == ['a', 'a', 'a'] and groups[3] != 'a' and alone == ['still.jpg']
    assert group_names(['x_1.jpg', 'zz_1.jpg'], r'(zz)?_1')[1] == ['x_1.jpg']  # found, but not its group
    with pytest.raises(
        UserError, match=r"--split-group 'seq' finds nothing in the names of the images, such as cam1/a"
    ):
        group_names(names, 'seq')


@pytest.mark.parametrize(
    ('rule', 'said'),
    [
        (SplitRule(0.0), r'--val-split 0: take a share between 0 and 1'),
        (SplitRule(20.0), r'--val-split 20: take a share between 0 and 1, such as 0.2'),
        (SplitRule(math.nan), r'--val-split nan: take a share'),
        (SplitRule(0.2, 5, 0), '--val-split and --folds both say how to split'),
        (SplitRule(None, 5), r'--folds 5 needs the fold that is held out: add --fold 0 \(to 4\)'),
        (SplitRule(None, None, 1), '--fold 1 needs the number of folds: add --folds 5'),
        (SplitRule(None, 5, 5), '--fold 5: the 5 folds are 0 to 4'),
        (SplitRule(None, 1, 0), '--folds 1: take at least 2'),
        (SplitRule(0.2, group='('), r"--split-group '\(' is no regular expression"),
        (SplitRule(), 'no split is given'),
    ],
)
def test_rules_that_make_no_sense_are_refused(rule, said):
    with pytest.raises(UserError, match=said) as error:
        check_rule(rule)
    assert '\n' not in str(error.value)


def test_a_part_without_images_is_refused():
    with pytest.raises(UserError, match=r'--val-split 0.2: of 1 image, none is left for validation'):
        split(*images_of(1), SplitRule(0.2))
    names, labels = images_of(9)
    with pytest.raises(UserError, match='of 9 images in 1 group, none is left for validation'):
        split(names, labels, SplitRule(0.2), ['one'] * 9)
    with pytest.raises(UserError, match=r'--folds 5 --fold \d: of 3 images, none is left for validation'):
        for fold in range(5):
            split(*images_of(3), SplitRule(None, 5, fold))


def test_a_rule_is_read_as_it_was_set():
    for rule in (SplitRule(0.2, seed=4, group='a'), SplitRule(None, 5, 0)):
        assert SplitRule.of_setting({**rule.as_setting(), 'part': 'val'}) == rule
    assert SplitRule(0.2, group=r'(v\d)', seed=4).flags == r"--val-split 0.2 --split-group '(v\d)' --split-seed 4"
    with pytest.raises(UserError, match='subset of a data set has no shar: it has share'):
        SplitRule.of_setting({'shar': 0.2})


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ({'share': '0.2'}, r"share of a split is '0\.2': give a share"),
        ({'folds': '5', 'fold': 0}, r"folds of a split is '5': give the number"),
        ({'folds': 5, 'fold': '0'}, r"fold of a split is '0': give the number"),
        ({'folds': 5.0, 'fold': 0}, r'folds of a split is 5\.0: give'),
        ({'share': True}, r'share of a split is True: give a share'),
        ({'share': 0.2, 'group': 5}, r'group of a split is 5: give a regular'),
        ({'share': 0.2, 'seed': 'x'}, r"seed of a split is 'x': give an integer"),
        ({'share': 0.2, 'seed': [1] * 999}, r'seed of a split is \[1, .{9,40}: give an integer'),
    ],
)
def test_a_setting_of_another_type_is_refused(setting, message):
    with pytest.raises(UserError, match=message):
        SplitRule.of_setting({**setting, 'part': 'train'})
