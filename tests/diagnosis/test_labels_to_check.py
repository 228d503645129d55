import pytest

from convnext_dense.diagnosis.content import Gallery, Table
from convnext_dense.diagnosis.labels_to_check import in_order, labels_to_check, reason
from convnext_dense.diagnosis.suspects import Suspect

CLASSES = ['cat', 'dog']
BOX = (0.0, 0.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ('suspect', 'said'),
    [
        (Suspect('a', 'class', 0.5, 0, 1), 'the model is sure that the image shows dog, not cat'),
        (Suspect('a', 'class', 0.5, 0, 1, BOX), 'the model is sure that this is dog, not cat'),
        (Suspect('a', 'box', 0.5, 0, 0, BOX), 'the model finds cat at another place nearby: this box'),
        (Suspect('a', 'no label', 0.5, None, 1, BOX), 'the model finds dog here, where nothing is annotated'),
        (
            Suspect('a', 'no object', 0.5, 0, None, BOX),
            'the model sees less of cat here than in other objects of this class and size',
        ),
        (Suspect('a', 'duplicate', 1, 0, 1, other_path='b'), 'almost the same image has the label dog: b'),
        (Suspect('a', 'duplicate', 1, 0, None, other_path='b'), 'almost the same image lacks this label: b'),
        (Suspect('a', 'leak', 1, other_path='b'), 'almost the same image is used for training: b'),
    ],
)
def test_each_kind_has_its_reason(suspect, said):
    assert reason(suspect, CLASSES) == said


def test_leaks_stand_behind_others():
    suspects = [
        Suspect('a', 'leak', 1.0, other_path='x'),
        Suspect('b', 'class', 0.2, 0, 1),
        Suspect('c', 'class', 0.3),
    ]
    assert [one.path for one in in_order(suspects)] == ['c', 'b', 'a']


def test_the_section_lists_suspects_and_shows_the_first_of_each_kind():
    suspects = [Suspect(f'{n:03}', 'class', n / 1000, 0, 1) for n in range(600)]
    suspects += [Suspect('train/x', 'duplicate', 0.99, 1, 0, other_path='train/y'), Suspect('001', 'leak', 1.0)]
    suspects += [Suspect('598', 'no object', 0.001, 0, None, BOX)]
    section = labels_to_check(suspects, CLASSES, [f'{n:03}' for n in range(600)], 5000, 'images')
    assert section.lead == (
        '602 labels are suspected to be wrong (12.0% of 5,000 images): 600 probably another class, '
        '1 probably nothing there, 1 another label than that of almost the same image'
    )
    table, *galleries = section.blocks
    assert isinstance(table, Table) and len(table.rows) == 500
    assert table.rows[0][:5] == [1, 'train/x', 'dog', 'cat', 99.0]
    assert table.rows[1][:5] == [2, '599', 'cat', 'dog', pytest.approx(59.9)]
    assert table.note == 'The first 500 of 602 labels. All are in suspects.csv beside this diagnosis.'
    assert all(isinstance(one, Gallery) for one in galleries)
    assert [one.title for one in galleries] == ['Probably another class', 'Probably nothing there']
    assert list(galleries[0].images) == list(range(599, 587, -1)) and set(galleries[0].captions) == {
        'cat, perhaps dog'
    }
    assert (list(galleries[1].images), list(galleries[1].captions)) == ([598], ['cat'])


def test_several_suspects_of_an_image_share_its_place():
    suspects = [Suspect('a', 'class', 0.9, 0, 1, BOX), Suspect('a', 'class', 0.8, 1, 0, BOX)]
    (gallery,) = labels_to_check(suspects, CLASSES, ['a'], 10, 'objects').blocks[1:]
    assert list(gallery.captions) == ['cat, perhaps dog; dog, perhaps cat']


def test_no_suspects_are_said():
    section = labels_to_check([Suspect('001', 'leak', 1.0)], CLASSES, ['001'], 10, 'images')
    assert section.lead == 'no label is suspected to be wrong' and not section.blocks
