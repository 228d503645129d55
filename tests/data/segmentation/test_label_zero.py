"""What label 0 of masks means, from names and labels alone."""

import pytest

from convnext_dense.data.segmentation.label_zero import ClassList, LabelCounts, decide, find_obstacle
from convnext_dense.errors import UserError

IGNORED, CLASS = True, False


def seen(labels, zero: int = 100) -> LabelCounts:
    """Four masks with each of these labels; 0 has ``zero`` pixels, the others 100 each."""
    pixels = {label: 100 if label else zero for label in labels}
    return LabelCounts(pixels, dict.fromkeys(labels, 4), 4)


def listed(*names: str, **options: bool) -> ClassList:
    return ClassList('classes.txt', names, **options)


@pytest.mark.parametrize(
    ('names', 'labels', 'meaning', 'classes', 'said'),
    [
        # the count of names against the count of labels
        ([f'c{k}' for k in range(150)], range(151), IGNORED, 150, 'classes.txt has 150 names, and label 150 occurs'),
        (['a', 'b', 'c'], [0, 3, 255], IGNORED, 3, 'classes.txt has 3 names, and label 3 occurs'),
        (['a', 'b', 'c'], [1, 2, 3], IGNORED, 3, '0.0% of the pixels'),
        (['a', 'b', 'c'], [0, 1, 2], CLASS, 3, 'classes.txt has 3 names, and the labels are 0 to 2'),
        (['a', 'b', 'c'], [0, 1, 2, 77], CLASS, 3, 'the labels are 0 to 2'),  # 77 is the fault of a mask
        # a first name that is none of a class
        (['background', 'a', 'b'], [0, 1], CLASS, 3, "classes.txt begins with 'background'"),
        (['_background_', 'a', 'b'], [0, 1, 2], CLASS, 3, "a class, '_background_'"),
        (['BG', 'a'], [0, 1], CLASS, 2, "begins with 'BG'"),
        (['background (other)', 'a'], [0, 1], CLASS, 2, 'begins with'),
        (['unlabeled', 'a', 'b'], [0, 1, 2], IGNORED, 2, "classes.txt begins with 'unlabeled'"),
        (['Void', 'a', 'b'], [0, 2], IGNORED, 2, "begins with 'Void'"),
        (['__ignore__', 'a'], [0, 1], IGNORED, 1, "begins with '__ignore__'"),
        # pixels without a class have their own label
        (['a', 'b', 'c', 'd'], [0, 2, 255], CLASS, 4, 'a label of their own, 255'),
        (None, [0, 1, 2, 255], CLASS, None, '255 is unlabeled, 25.0%'),
        # without names
        (None, [0, 1], CLASS, None, 'without it there would be one class, label 1'),
        (None, [0, 38], CLASS, None, 'without it there would be one class, label 38'),
        (None, [1, 2, 3], IGNORED, None, 'it does not occur'),
    ],
)
def test_names_and_labels_decide(names, labels, meaning, classes, said):
    zero = decide('auto', listed(*names) if names else None, seen(labels))
    assert zero.ignored is meaning
    assert (None if zero.names is None else len(zero.names)) == classes
    assert said in zero.line and '\n' not in zero.line and not zero.doubtful
    assert ('is ignored (' if meaning else 'is a class') in zero.line
    is_choice = not find_obstacle(not meaning, listed(*names) if names else None, seen(labels))
    hint = f'; --label-zero {"class" if meaning else "ignore"} for the other meaning'
    assert zero.line.endswith(hint) is is_choice


def test_the_share_of_zero_decides_where_nothing_else_does():
    assert decide('auto', None, seen([0, 1, 2], zero=201)).ignored is False
    line = decide('auto', None, seen([0, 1, 2], zero=201)).line
    assert '(50.1% of the pixels, in 4 of 4 masks): it covers most of the pixels' in line
    with pytest.raises(
        UserError, match=r'50.0% of the pixels, in 4 of 4 masks.: the masks have the labels 0 to 2, and'
    ):
        decide('auto', None, seen([0, 1, 2], zero=200))


@pytest.mark.parametrize(
    ('names', 'labels', 'said'),
    [
        (None, [0, 1, 2, 3], 'the labels 0 to 3, and no classes.txt names them'),
        (['a', 'b', 'c', 'd'], [0, 1, 2], 'classes.txt has 4 names, and the masks have the labels 0 to 2'),
        (['a', 'b', 'c', 'd'], [1, 2, 3], 'the masks have the labels 1 to 3'),
        (['a', 'b', 'c', 'd', 'e', 'f'], [0, 2], 'the masks have the labels 0, 2;'),
        (['background', 'road', 'water'], [0, 1, 2, 3], "begins with 'background', but label 3 occurs"),
        (['unlabeled', 'road', 'water'], [0, 1, 2, 3], "begins with 'unlabeled', but label 3 occurs"),
        (['__ignore__', '_background_', 'cat'], [0, 1], "'__ignore__' and '_background_': remove the one"),
    ],
)
def test_what_fits_both_is_refused_with_the_flag(names, labels, said):
    with pytest.raises(UserError) as error:
        decide('auto', listed(*names) if names else None, seen(labels))
    message = str(error.value)
    assert message.startswith('what label 0 of the masks means is not decidable (') and said in message
    for word, ignored, meaning in (('class', False, 'it is a class'), ('ignore', True, 'it means unlabeled')):
        obstacle = find_obstacle(ignored, listed(*names) if names else None, seen(labels))
        assert f'{obstacle or f"give --label-zero {word}"} if {meaning}' in message
    assert '\n' not in message
    if names and '__ignore__' not in names:
        assert len(decide(False, listed(*names), seen(labels)).names or ()) == len(names)
    assert decide(True, listed(*names) if names else None, seen(labels)).ignored is True


@pytest.mark.parametrize(
    ('ignored', 'names', 'labels', 'obstacle'),
    [
        (CLASS, ['background', 'thing'], [0, 1, 2], 'give classes.txt a line for each label from 0 to 2'),
        (IGNORED, ['background', 'thing'], [0, 1, 2], ''),
        (IGNORED, ['background', 'thing'], [0, 1], "remove the line 'background' from classes.txt"),
        (IGNORED, ['unlabeled', 'thing'], [0, 1], 'label a second class'),
        (CLASS, ['unlabeled', 'thing'], [0, 1], ''),
        (IGNORED, ['a', 'b', 'c'], [0, 2], 'label a second class'),
        (IGNORED, ['a', 'b', 'c'], [0, 1, 2], ''),
        (CLASS, ['a', 'b'], [0, 9], 'correct the labels, or give classes.txt a line for each label from 0 to 9'),
        (CLASS, None, [0, 1], ''),
        (IGNORED, None, [0, 1, 255], 'label a second class'),
    ],
)
def test_what_is_to_be_changed_before_a_setting_is_accepted(ignored, names, labels, obstacle):
    assert find_obstacle(ignored, listed(*names) if names else None, seen(labels)) == obstacle


def test_ade20ks_own_table_counts_from_one():
    table = ClassList('objectInfo150.txt', [f'c{k}' for k in range(150)], starts_at_one=True)
    for labels in (None, seen(range(151)), seen([0, 149])):
        zero = decide('auto', table, labels)
        assert zero.ignored and len(zero.names) == 150
    assert decide(False, table, None).doubtful


def test_a_setting_holds_and_what_speaks_against_it_is_said():
    zero = decide(True, listed('sky', 'tree', 'road'), seen([0, 1, 2]))
    assert zero.ignored and zero.doubtful and zero.names == ['sky', 'tree', 'road']
    assert zero.line == (
        'label 0 of the masks is ignored (33.3% of the pixels, in 4 of 4 masks): as set, although classes.txt has 3 '
        'names, and the labels are 0 to 2; --label-zero class for the other meaning'
    )
    zero = decide(False, None, seen([0, 1, 2]))
    assert zero.line == 'label 0 of the masks is a class (33.3% of the pixels, in 4 of 4 masks): as set'
    assert not zero.doubtful
    assert decide(True, listed('sky', 'tree'), None).line == 'label 0 of the masks is ignored: as set'


def test_the_name_of_label_zero_is_never_that_of_label_one():
    assert decide(True, listed('unlabeled', 'a', 'b'), seen([0, 1, 2])).names == ['a', 'b']
    assert decide(False, listed('unlabeled', 'a', 'b'), seen([0, 1, 2])).names == ['unlabeled', 'a', 'b']
    with pytest.raises(
        UserError, match=r"to be ignored, but classes.txt begins with 'background': give --label-zero cl"
    ):
        decide(True, listed('background', 'a', 'b'), seen([0, 1, 2]))
    assert decide(True, listed('background', 'a', 'b'), seen([0, 1, 2, 3])).names == ['background', 'a', 'b']


@pytest.mark.parametrize('name', ['back', 'voids', 'ignorance', 'nonevergreen', 'wall', 'unlit road', 'bgr', '???'])
def test_names_that_only_look_like_it(name):
    assert decide('auto', listed(name, 'b'), seen([0, 1])).line.count('begins with') == 0
