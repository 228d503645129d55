"""Joining the classes of a panoptic file to those of a model."""

import pytest

from convnext_dense.data.panoptic.join import join_classes
from convnext_dense.data.panoptic.read import read_panoptic
from convnext_dense.errors import UserError
from tests.helpers.panoptic_files import files_of


def joined(root, classes, things, ids=None):
    files = files_of(root)
    return join_classes(files.annotations, read_panoptic(files), classes, things, ids)


def test_without_a_model_they_are_the_files(root):
    assert joined(root, None, None) == (('cat', 'dog'), ('sky', 'grass'), (3, 9, 7, 12))


def test_the_file_may_lack_classes_of_the_model(root):
    classes, things = ['dog', 'horse', 'cat', 'grass', 'sky', 'sand'], ['dog', 'horse', 'cat']
    assert joined(root, classes, things, (1, 2, 3, 4, 5, 6)) == (
        ('dog', 'horse', 'cat'),
        ('grass', 'sky', 'sand'),
        (9, 2, 3, 12, 7, 6),
    )


def test_classes_of_a_choice_are_sorted(root):
    assert joined(root, ['grass', 'dog', 'sky', 'cat'], None) == (('dog', 'cat'), ('grass', 'sky'), (9, 3, 12, 7))


@pytest.mark.parametrize(
    ('classes', 'things', 'message'),
    [
        (['cat', 'sky', 'grass'], ['cat'], 'the categories differ: .* has dog, where the model has 3 categories'),
        (['cat', 'dog', 'sky', 'grass', 'sand'], None, 'lacks sand, so that it is unknown whether these are things'),
        (
            ['cat', 'sky', 'dog', 'grass'],
            ['cat', 'dog'],
            "the thing 'dog' comes after stuff in classes: name the thin",
        ),
        (['cat', 'dog', 'sky', 'grass'], ['cat'], "'dog' is a thing by its isthing, and stuff of the model: correct"),
        (
            ['cat', 'dog', 'sky', 'grass'],
            ['cat', 'dog', 'sky'],
            "'sky' is stuff by its isthing, and a thing of the mo",
        ),
    ],
)
def test_what_does_not_fit_is_named(root, classes, things, message):
    with pytest.raises(UserError, match=message) as error:
        joined(root, classes, things)
    assert 'panoptic_train2017.json' in str(error.value) and '\n' not in str(error.value)
