"""Files of class names and colors: each is read as its tool writes it, and faults are named with their line."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convnext_dense.data.segmentation.class_lists import read_class_list
from convnext_dense.errors import UserError
from tests.helpers.fuzzing import FEW, MANY

COLORS = [(0, 0, 0), (255, 128, 0), (1, 2, 3)]
NAMES = ['background', 'red car', 'tree']


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        ('classes.txt', 'background 0 0 0\nred car 255 128 0\ntree 1 2 3\n'),
        ('classes.txt', '\ufeff# names and colors\r\nbackground,0,0,0\r\n\r\nred car, 255, 128, 0\r\ntree;1;2;3\r\n'),
        ('classes.txt', 'background: (0, 0, 0)\nred car: (255, 128, 0)\ntree: (1, 2, 3)'),
        ('classes.txt', '0 0 0 background\n255 128 0 red car\n1 2 3\ttree'),
        ('classes.txt', 'background #000000\nred car #FF8000\ntree #010203'),
        (
            'labelmap.txt',
            '# label:color_rgb:parts:actions\nbackground:0,0,0::\nred car:255,128,0:hand:\ntree:1,2,3::\n',
        ),
        ('label_colors.txt', '0 0 0\t\tbackground\n255 128 0\tred car\n1 2 3\ttree\n\n'),
        ('class_dict.csv', 'name,r,g,b\nbackground,0,0,0\nred car,255,128,0\ntree,1,2,3\n'),
        ('class_dict.csv', '\ufeffName; R; G; B\r\nbackground; 0; 0; 0\r\nred car; 255; 128; 0\r\ntree; 1; 2; 3\r\n'),
        ('class_dict_seg.csv', 'name, r, g, b\nbackground, 0, 0, 0\nred car, 255, 128, 0\ntree, 1, 2, 3'),
        (
            'meta.json',
            json.dumps({'classes': [{'title': 'red car', 'color': '#FF8000'}, {'title': 'tree', 'color': '#010203'}]}),
        ),
    ],
)
def test_names_and_colors(tmp_path, file, text):
    (tmp_path / file).write_bytes(text.encode())
    listed = read_class_list(tmp_path)
    assert (listed.file, listed.names, listed.colors) == (file, NAMES, COLORS)


@pytest.mark.parametrize(
    ('file', 'text', 'names', 'is_complete'),
    [
        ('classes.txt', 'type 1 2\nroad 2', ['type 1 2', 'road 2'], False),
        ('classes.txt', 'sea\n#1', ['sea', '#1'], False),
        ('labelmap.txt', '# comment\nbackground:::\ncat:::\n', ['background', 'cat'], False),
        ('_classes.csv', 'Pixel Value, Class\n0, background\n1, cat\n', ['background', 'cat'], True),
        ('_classes.csv', 'Pixel Value,Class\n3,cat\n1,dog\n', ['unlabeled', 'dog', 'class_2', 'cat'], True),
        ('class_names.txt', '_background_\ncat\n', ['_background_', 'cat'], False),
        ('labels.txt', '__ignore__\n_background_\ncat\n', ['_background_', 'cat'], False),
        ('codes.txt', 'Animal\nArchway\n', ['Animal', 'Archway'], False),
        (
            'obj_class_to_machine_color.json',
            '{"cat": [1, 1, 1], "dog": [2, 2, 2]}',
            ['background', 'cat', 'dog'],
            True,
        ),
    ],
)
def test_names_without_colors(tmp_path, file, text, names, is_complete):
    (tmp_path / file).write_text(text)
    listed = read_class_list(tmp_path)
    assert (list(listed.names), listed.is_complete, listed.colors) == (names, is_complete, None)


@pytest.mark.parametrize(
    ('file', 'text', 'said'),
    [
        ('classes.txt', 'a 0 0 0\nb 1 2 3\nc\n', r"classes.txt:3: 'c' has no color: write name r g b"),
        ('classes.txt', 'a 0 0 0\nb 1 2 300\n', r"classes.txt:2: '1,2,300' is not a color"),
        ('classes.txt', 'a 0 0 0\nb 0 0 0\n', r"'a' and 'b' have the same color \(0, 0, 0\): give each class a col"),
        ('labelmap.txt', 'a:0,0,0::\nb:1,2::\n', r"labelmap.txt:2: '1,2' is not a color: write r,g,b"),
        ('labelmap.txt', 'a:0,0,0::\nb:::\n', "'b' has no color, unlike others"),
        ('labelmap.txt', 'a:0,0,0::\na:1,1,1::\n', "'a' comes twice"),
        ('labelmap.txt', '# nothing\n', 'names 0 classes'),
        ('label_colors.txt', '0 0 0 a\nb\n', "label_colors.txt:2: 'b' has no color"),
        ('class_dict.csv', 'name,red\na,1\n', 'the columns are name, red: they must be name, r, g and b'),
        ('class_dict.csv', 'name,r,g,b\na,1,2\n', 'class_dict.csv:2: 3 columns rather than 4'),
        ('class_dict.csv', '', 'the columns are : they must be'),
        ('_classes.csv', 'Pixel Value,Class\nx,cat\n', "_classes.csv:2: 'x, cat' is not a number and a class"),
        ('_classes.csv', 'Pixel Value,Class\n1,cat\n1,dog\n', "'cat' and 'dog' have the same label 1"),
        ('_classes.csv', 'Pixel Value,Class\n255,cat\n', "label 255 of 'cat' is not in 0 to 254"),
        (
            'meta.json',
            '{"classes": [{"title": "a", "color": "red"}]}',
            r"meta.json: classes\[0\].color 'red' is not #rr",
        ),
        ('meta.json', '{"classes": ', 'meta.json is not JSON'),
        ('obj_class_to_machine_color.json', '{"cat": [1, 2, 1]}', 'cat .* is not a gray color'),
        ('labelmap.txt', b'm\xe4rz:1,2,3::\n', 'labelmap.txt is not text in UTF-8'),
    ],
)
def test_faults_are_named(tmp_path, file, text, said):
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said) as error:
        read_class_list(tmp_path)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('other', 'said'),
    [
        (
            'background:0,0,0::\nbike:1,2,3::\n',
            "classes.txt and labelmap.txt in .* disagree, class 2 is 'car' and 'bike'",
        ),
        ('background:0,0,0::\n', 'disagree, they have 2 and 1 classes: correct one of them, or remove it'),
    ],
)
def test_files_that_disagree_are_refused(tmp_path, other, said):
    (tmp_path / 'classes.txt').write_text('background\ncar\n')
    (tmp_path / 'labelmap.txt').write_text(other)
    with pytest.raises(UserError, match=said):
        read_class_list(tmp_path)


def test_files_that_agree_are_read_together(tmp_path):
    (tmp_path / 'classes.txt').write_text('background\ncar\n')
    (tmp_path / 'labelmap.txt').write_text('background:0,0,0::\ncar:1,2,3::\n')
    listed = read_class_list(tmp_path)
    assert listed.file == 'classes.txt' and listed.colors == [(0, 0, 0), (1, 2, 3)]
    (tmp_path / 'class_dict.csv').write_text('name,r,g,b\nbackground,0,0,0\ncar,9,9,9\n')
    with pytest.raises(UserError, match=r"disagree, 'car' is \(1, 2, 3\) and \(9, 9, 9\)"):
        read_class_list(tmp_path)


def test_supervisely_has_two_kinds_of_masks(tmp_path):
    (tmp_path / 'meta.json').write_text(json.dumps({'classes': [{'title': 'cat', 'color': '#0000FF'}]}))
    (tmp_path / 'obj_class_to_machine_color.json').write_text('{"cat": [1, 1, 1]}')
    assert read_class_list(tmp_path, masks='masks_human').colors == [(0, 0, 0), (0, 0, 255)]
    assert read_class_list(tmp_path, masks='masks_machine').colors is None


def test_files_of_other_tools_are_no_class_lists(tmp_path):
    (tmp_path / 'meta.json').write_text('{"info": 1}')
    (tmp_path / '_classes.csv').write_text('filename,cat,dog\n1.jpg,0,1\n')  # of Roboflow's classification
    assert read_class_list(tmp_path) is None
    (tmp_path / 'train').mkdir()
    (tmp_path / 'train' / '_classes.csv').write_text('Pixel Value, Class\n0, background\n1, cat\n')
    assert read_class_list(tmp_path, [tmp_path / 'train']).names == ['background', 'cat']


def _mutated(draw: Callable, text: bytes) -> bytes:
    """Change bytes, and drop, double, cut or swap lines."""
    content = bytearray(text)
    for _ in range(draw(st.integers(1, 4))):
        lines = bytes(content).split(b'\n')
        place = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(['byte', 'drop', 'double', 'cut', 'insert']))
        if what == 'byte' and content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
            continue
        if what == 'drop':
            lines.pop(place)
        elif what == 'double':
            lines.insert(place, lines[place])
        elif what == 'cut':
            lines[place] = lines[place][: draw(st.integers(0, len(lines[place])))]
        else:
            lines.insert(place, draw(st.binary(max_size=12)))
        content = bytearray(b'\n'.join(lines))
    return bytes(content)


TEXTS = {
    'classes.txt': b'background 0 0 0\nred car 255 128 0\ntree 1 2 3\n',
    'labelmap.txt': b'# label:color_rgb:parts:actions\nbackground:0,0,0::\nred car:255,128,0:hand:\n',
    'label_colors.txt': b'0 0 0\tbackground\n255 128 0\tred car\n',
    'class_dict.csv': b'name,r,g,b\nbackground,0,0,0\n"red, car",255,128,0\n',
    '_classes.csv': b'Pixel Value, Class\n0, background\n1, cat\n',
    'meta.json': b'{"classes": [\n{"title": "red car", "color": "#FF8000"},\n{"title": "sea", "color": "#010203"}\n]}',
    'obj_class_to_machine_color.json': b'{"cat": [1, 1, 1],\n"dog": [2, 2, 2]}',
}


def _fuzz(data: st.DataObject) -> None:
    """A changed file is an error in one line, or a list whose classes have names and colors of their own."""
    file = data.draw(st.sampled_from(sorted(TEXTS)))
    with TemporaryDirectory() as folder:
        Path(folder, file).write_bytes(_mutated(data.draw, TEXTS[file]))
        try:
            listed = read_class_list(folder)
        except UserError as error:
            assert '\n' not in str(error)
            return
    if listed is not None:
        assert len(set(listed.names)) == len(listed.names) > 0 and all(listed.names)
        if listed.colors is not None:
            assert len(set(listed.colors)) == len(listed.colors) == len(listed.names)
            assert all(0 <= part <= 255 for color in listed.colors for part in color)


@settings(max_examples=FEW, deadline=None)
@given(st.data())
def test_changed_files_are_named_or_read_right(data):
    _fuzz(data)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@settings(max_examples=MANY, deadline=None)
@given(st.data())
def test_many_changed_files_are_named_or_read_right(data):
    _fuzz(data)
