"""Names of classes come back as they are, or are refused in one line that says how to rename them."""

import shlex
from dataclasses import replace

import pytest

from convnext_dense.data.class_choice import ClassChoice, choice_of_flags, parse_merge
from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.write import WRITERS, write_data_set
from convnext_dense.errors import UserError
from tests.helpers.labeled import image, triangle, write

NAMES = (
    *(' cat', 'cat ', '\u3000cat', '\ufeffcat', ' ', '__ignore__', '_background_', 'background', 'void', 'undefined'),
    *('a:b', '#1 tool', 'a # b', 'route 1 2 3', 'light, red', 'say "hi"', '- x', 'no', '1', '-1', "l'eau", 'a->b'),
    *(
        'Katze \u00e4',
        '\U0001f431',
        'background 1 2 3',
        '1 2 3 cat',
        'cat #ff0000',
        'null',
        'a;b',
        '[x]',
        '<b>&',
        '%20',
    ),
)


@pytest.mark.parametrize(('place', 'other'), [(0, ('cat', 'dog')), (1, ('dog',))])
@pytest.mark.parametrize('name', NAMES)
def test_a_name_comes_back_or_is_refused(tmp_path, name, place, other):
    classes = [*other[:place], name, *other[place:]]
    objects = [triangle(label) for label in range(len(classes))]
    for number, one in enumerate(objects):
        left = 20.0 * number
        one.box, one.segmentation = [left, 5.0, 10.0, 10.0], [[left, 5, left + 10, 5, left + 10, 15, left, 15.0]]
    labeled = image(tmp_path / 'a.png', *objects)
    for key, writer in WRITERS.items():
        try:
            done = write(tmp_path / key, key, labeled, classes=classes)
        except UserError as error:
            assert str(error).startswith(f'the class {name!r} cannot be written as {writer.title} (')
            assert str(error).endswith(', or choose another format') and '--merge ' in str(error)
            assert not (tmp_path / key).exists()
            continue
        read = read_data_set(str(tmp_path / key))
        if not writer.of_label_maps:
            ((found,),) = (list(images) for images in read.data.splits.values())
            assert sorted(read.data.classes[one.label] for one in found.objects) == sorted(classes)
        elif any('became the background' in line for line in done.lost):
            assert read.data.classes == [name, *(one for one in classes if one != name)]
        else:
            assert read.data.classes == ['background', *classes]


@pytest.mark.parametrize(
    ('key', 'name', 'new'),
    [
        ('yolo', ' dog', 'dog'),
        ('yolo', ' cat', 'NAME'),
        ('color_masks', 'a:b', 'a b'),
        ('color_masks', '#1 tool', '1 tool'),
        ('labelme', '__ignore__', 'NAME'),
        ('masks', 'void', 'NAME'),
    ],
)
def test_the_error_has_flags_that_rename_the_class(tmp_path, key, name, new):
    labeled = image(tmp_path / 'a.png', triangle(1))
    classes = ['cat', name] if key != 'masks' else [name, 'cat']
    if key == 'masks':
        labeled = replace(labeled, objects=[triangle(0)])
    write(tmp_path / 'coco', 'coco', labeled, classes=classes)
    with pytest.raises(UserError) as error:
        write(tmp_path / 'out', key, labeled, classes=classes)
    flag, value = shlex.split(str(error.value).partition('does with ')[2].removesuffix(', or choose another format'))
    choice = choice_of_flags(None, [parse_merge(value)], None)
    assert (flag, isinstance(choice, ClassChoice)) == ('--merge', True)
    read = read_data_set(str(tmp_path / 'coco'), choice=choice)
    assert read.data.classes == [new if one == name else one for one in classes]
    assert write_data_set(read.data, False, key, tmp_path / 'out').images == 1


@pytest.mark.parametrize('name', ['two\nlines', 'a\x0bb', 'a\x00', '\ud800'])
def test_a_name_that_no_list_can_hold_is_refused(tmp_path, name):
    for key in WRITERS:
        with pytest.raises(UserError, match='has a line break or control character in its name: rename it'):
            write(tmp_path / 'out', key, image(tmp_path / 'a.png', triangle()), classes=[name])
