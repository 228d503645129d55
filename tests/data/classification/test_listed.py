"""Lists of images with their classes, in the forms of Kaggle, mmpretrain, Roboflow and others."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convnext_dense.data.classification.find import files_by_class, find_split, scan_classes
from convnext_dense.data.classification.layout import Reading
from convnext_dense.errors import NoData, UserError
from tests.helpers.fuzzing import FEW, MANY
from tests.helpers.layouts import touch

LABELS = {'a1': 'cat', 'b2': 'dog', 'c3': 'cat', 'd4': 'emu'}
CLASSES = ['cat', 'dog', 'emu']
FILES = {'cat': ['a1', 'c3'], 'dog': ['b2'], 'emu': ['d4']}


def write(root: Path, name: str, *lines: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return root


def read(root: Path | str, split: str = 'train', **reading: str) -> dict[str, list[str]]:
    """The stems of the images by class."""
    how = Reading(**reading)
    classes = scan_classes(root, how)
    found = files_by_class(root, split, classes, how)
    return {name: sorted(Path(file).stem for file in files) for name, files in zip(classes, found.files, strict=True)}


def rows(form: str) -> list[str]:
    return [form.format(name=name, label=label) for name, label in LABELS.items()]


NUMBERED = [f'{CLASSES.index(label)},train/{name}.jpg,{label}' for name, label in LABELS.items()]
ONE_HOT = [f'{name},{",".join(str(int(label == one)) for one in CLASSES)}' for name, label in LABELS.items()]


@pytest.mark.parametrize(
    ('name', 'lines'),
    [
        ('train.csv', ['image,label', *rows('{name}.jpg,{label}')]),
        ('train.csv', ['id,breed', *rows('{name},{label}')]),  # Kaggle's, without suffix
        ('labels.csv', ['id,breed', *rows('{name},{label}')]),
        ('train.csv', rows('{name}.jpg,{label}')),
        ('train.csv', rows('{name},{label}')),
        ('train.csv', rows('{label},{name}.jpg')),
        ('train.csv', ['class;filename', *rows('{label};images/{name}.jpg')]),
        ('train.tsv', ['label\tpath', *rows('{label}\t{name}.jpg')]),
        ('train.txt', rows('{name}.jpg {label}')),
        ('meta/train.txt', rows('train/{name}.jpg {label}')),
        ('trainLabels.csv', ['image,level', *rows('{name},{label}')]),
        ('train_labels.csv', ['', 'image_id,anything', '', *rows('{name},{label}')]),
        ('train.csv', ['\ufefffile_name,size,class', *rows('{name}.jpg,12,{label}')]),
        ('train.csv', ['class id,filepaths,labels', *NUMBERED]),  # the same classes twice: the names
        ('train.csv', ['image_id,cat,dog,emu', *ONE_HOT]),
        ('train/_classes.csv', ['filename, cat, dog, emu', *ONE_HOT]),
        ('train.csv', rows(r'C:\Users\me\train\{name}.jpg,{label}')),
        ('train.csv', ['image,label', *rows('/home/me/kaggle/input/{name}.jpg,{label}')]),
        ('train.csv', ['"image","label"', *rows('"{name}.jpg","{label}"')]),
        ('train.csv', ['# exported', 'name,target', *rows('{name}.JPG,{label}')]),
    ],
)
@pytest.mark.parametrize('folder', ['train', 'images', 'train/images', '.'])
def test_lists_of_many_forms_are_read(tmp_path, name, lines, folder):
    touch(tmp_path, *(f'{folder}/{image}.jpg' for image in LABELS), 'test/x9.jpg')
    write(tmp_path, name, *lines)
    if 'images/{' in str(lines) or (folder == '.' and name.startswith('train/')):
        return
    assert read(tmp_path) == FILES
    assert find_split(tmp_path, 'val') is None


def test_what_was_recognized_is_said_in_one_line(tmp_path):
    touch(tmp_path, *(f'train/{image}.jpg' for image in (*LABELS, 'unlisted')))
    write(tmp_path, 'train.csv', 'id,breed', *rows('{name},{label}'), 'a1,cat')
    [note] = files_by_class(tmp_path, 'train', CLASSES).notes
    assert note == (
        f'4 images for train and their classes are read from {tmp_path}/train.csv: column id names images, column '
        'breed their classes; 1 of its lines are repeated; 1 image beside them not in the list: train/unlisted.jpg'
    )


def test_splits_are_lists_a_column_or_folders(tmp_path):
    touch(tmp_path, *(f'images/{image}.jpg' for image in LABELS))
    root = write(tmp_path, 'train.csv', 'image,label', 'a1.jpg,cat', 'b2.jpg,dog', 'd4.jpg,emu')
    write(tmp_path, 'valid.csv', 'image,label', 'c3.jpg,cat')
    write(tmp_path, 'test.csv', 'image', 'z.jpg')
    assert read(root, 'val') == {'cat': ['c3'], 'dog': [], 'emu': []}
    assert find_split(root, 'val') == root / 'valid.csv'
    (root / 'valid.csv').unlink()
    assert find_split(root, 'val') is None  # test.csv has no classes
    write(tmp_path, 'test.csv', 'image,label', 'c3.jpg,cat')
    assert read(root, 'val')['cat'] == ['c3']
    (root / 'test.csv').unlink()
    (root / 'train.csv').unlink()
    write(root, 'labels.csv', 'image,label,split', 'a1.jpg,cat,train', 'b2.jpg,dog,train', 'c3.jpg,cat,valid')
    assert read(root) == {'cat': ['a1'], 'dog': ['b2']} and read(root, 'val') == {'cat': ['c3'], 'dog': []}
    touch(tmp_path / 'mixed', 'train/1.jpg', 'train/2.jpg', 'val/dog/3.jpg')
    write(tmp_path / 'mixed', 'train.csv', 'image,label', '1,cat', '2,dog')
    with pytest.raises(UserError):  # class folders of val come first, and train has none
        scan_classes(tmp_path / 'mixed', Reading('folders'))


def test_lists_are_named_with_their_images(tmp_path):
    touch(tmp_path, *(f'photos/{image}.jpg' for image in LABELS))
    write(tmp_path, 'lists/one.csv', 'image,label', 'a1.jpg,cat', 'b2.jpg,dog')
    write(tmp_path, 'lists/two.csv', 'image,label', 'c3.jpg,cat')
    value = f'{tmp_path}/lists/one.csv:{tmp_path}/photos,{tmp_path}/lists/two.csv:{tmp_path}/photos'
    assert read(value) == {'cat': ['a1'], 'dog': ['b2']} and read(value, 'val') == {'cat': ['c3'], 'dog': []}
    alone = f'{tmp_path}/lists/one.csv:{tmp_path}/photos'
    assert read(alone)['cat'] == ['a1'] and find_split(alone, 'val') is None
    with pytest.raises(NoData, match=r'no data at .*/three.csv: write --data TRAIN.csv:IMAGES,VAL.csv:IMAGES'):
        scan_classes(f'{tmp_path}/lists/three.csv')


def test_numbers_are_lines_of_classes_txt(tmp_path):
    touch(tmp_path, *(f'train/{image}.jpg' for image in LABELS))
    root = write(tmp_path, 'train.txt', 'a1.jpg 0', 'b2.jpg 1', 'c3.jpg 0', 'd4.jpg 2')
    assert read(root) == {'0': ['a1', 'c3'], '1': ['b2'], '2': ['d4']}
    write(root, 'classes.txt', 'cat', 'dog', 'emu')
    assert read(root) == FILES
    write(root, 'classes.txt', '0 cat', '1 dog', '2 emu')
    assert read(root) == FILES
    write(root, 'train.txt', 'a1.jpg 1', 'b2.jpg 2', 'c3.jpg 1', 'd4.jpg 3')  # counted from 1
    assert read(root) == FILES
    write(root, 'train.txt', 'a1.jpg 1', 'b2.jpg 2')
    with pytest.raises(
        UserError, match=r'has the numbers 1 to 2, and .*classes.txt 3 names, of which the first may be'
    ):
        scan_classes(root)
    write(root, 'train.txt', 'a1.jpg 0', 'b2.jpg 3')
    with pytest.raises(
        UserError, match=r'has the numbers 0 to 3, and .*classes.txt 3 names: write one for each number'
    ):
        scan_classes(root)


def test_numbers_are_classes_in_their_order(tmp_path):
    touch(tmp_path, *(f'train/{k}.jpg' for k in range(12)))
    write(tmp_path, 'train.csv', 'image,label', *(f'{k}.jpg,{k}.0' for k in range(12)))
    assert scan_classes(tmp_path) == [str(k) for k in range(12)]


def test_a_list_of_paths_alone_has_classes_by_folder(tmp_path):
    touch(tmp_path, 'images/apple_pie/1.jpg', 'images/waffles/2.jpg', 'images/waffles/3.jpg')  # Food-101
    write(tmp_path, 'meta/train.txt', 'apple_pie/1', 'waffles/2')
    write(tmp_path, 'meta/test.txt', 'waffles/3')
    assert read(tmp_path) == {'apple_pie': ['1'], 'waffles': ['2']}


FAULTS = [
    (['image,label', 'a1.jpg,cat', 'a1.jpg,dog'], r'has two classes for a1.jpg \(cat, dog\): keep one'),
    (['image,label', 'a1.jpg,cat', 'nowhere.jpg,dog'], r'1 of 2 images not in .* \(nowhere.jpg\): get or remove them'),
    (['image,label', 'a1.jpg,', 'b2.jpg,dog'], r'has no class on 1 line \(2\)'),
    (['image,label', 'a1.jpg,cat', 'b2.jpg,dog,3'], r'train.csv:3 has 3 columns, the first line 2: correct it'),
    (['filename,cat,dog', 'a1.jpg,1,1', 'b2.jpg,0,1'], r'train.csv:2 gives a1.jpg 2 classes \(cat, dog\): images of'),
    (['filename,cat,dog', 'a1.jpg,0,0', 'b2.jpg,0,1'], r'train.csv:2 gives a1.jpg no class'),
    (['image,labels', 'a1.jpg,cat|dog', 'b2.jpg,dog'], r'has several classes for an image \(cat\|dog\), 1 times'),
    (
        ['image,category,type', 'a1.jpg,x,p', 'b2.jpg,x,q'],
        r'several columns may have the class \(category, type\): say',
    ),
    (['image,width,height', 'a1.jpg,3,4', 'b2.jpg,5,6'], r'say which with --label-column width or --label-column hei'),
    (['a1.jpg,3,4', 'b2.jpg,5,6'], r'has 3 columns without names: name them in its first line, such as image,label'),
    (['filename,class,xmin,ymin', 'a1.jpg,cat,1,2'], r'has boxes \(xmin, ymin\): take a config of a detector, or say'),
    (['image,label'], 'names no images: write the name and the class'),
    ([''], 'is empty'),
    (['a1.jpg', 'b2.jpg'], 'has no class for a1.jpg: write it behind the name, separated by a comma'),
]


@pytest.mark.parametrize(('lines', 'said'), FAULTS)
def test_faulty_lists_are_refused_in_one_line(tmp_path, lines, said):
    touch(tmp_path, *(f'train/{image}.jpg' for image in LABELS))
    write(tmp_path, 'train.csv', *lines)
    with pytest.raises(UserError, match=said) as error:
        read(tmp_path)
    assert '\n' not in str(error.value) and 'train.csv' in str(error.value)


def test_the_column_of_the_classes_can_be_named(tmp_path):
    touch(tmp_path, *(f'train/{image}.jpg' for image in LABELS))
    write(tmp_path, 'train.csv', 'image,category,type', 'a1.jpg,x,p', 'b2.jpg,x,q')
    assert read(tmp_path, label_column='type') == {'p': ['a1'], 'q': ['b2']}
    with pytest.raises(UserError, match=r'--label-column kind: .* has no such column, it has image, category, type'):
        read(tmp_path, label_column='kind')


def test_few_absent_images_are_counted_and_several_lists_are_asked_for(tmp_path):
    touch(tmp_path, *(f'train/{k}.jpg' for k in range(39)))
    write(tmp_path, 'train.csv', 'image,label', *(f'{k}.jpg,{"ab"[k % 2]}' for k in range(40)))
    [note] = files_by_class(tmp_path, 'train', ['a', 'b']).notes
    assert note.startswith('39 images for train') and note.endswith('; 1 image in it absent: 39.jpg')
    write(tmp_path, 'train.txt', '1.jpg a')
    with pytest.raises(
        UserError, match=r'several lists for train \(train.csv, train.txt\): say which with --data .*/tr'
    ):
        scan_classes(tmp_path)


def test_an_unknown_class_of_validation_is_refused(tmp_path):
    touch(tmp_path, 'images/1.jpg', 'images/2.jpg', 'images/3.jpg')
    write(tmp_path, 'train.csv', 'image,label', '1,cat', '2,dog')
    write(tmp_path, 'val.csv', 'image,label', '3,eel')
    with pytest.raises(UserError, match=r'val.csv has 1 class that train does not have \(eel\)'):
        read(tmp_path, 'val')


TEXT = '\n'.join(['image,label', *(f'{k:02}.jpg,{["cat", "dog", "emu"][k % 3]}' for k in range(30))]) + '\n'
MUTATION = st.tuples(
    st.sampled_from(['drop', 'double', 'cut', 'byte', 'cell', 'swap']), st.integers(0, 10**6), st.integers(0, 255)
)


def mutate(text: str, kind: str, place: int, value: int) -> bytes:
    lines = text.splitlines(keepends=True)
    at = place % len(lines)
    if kind == 'drop':
        del lines[at]
    elif kind == 'double':
        lines.insert(at, lines[at])
    elif kind == 'swap':
        lines[at] = ','.join(reversed(lines[at].strip().split(','))) + '\n'
    elif kind == 'cell':
        lines[at] = lines[at].replace(',', [',,', ';', ',"', ' ', '\t', ',|', '', ',\x00'][value % 8])
    content = ''.join(lines).encode()
    if kind == 'cut':
        return content[: place % (len(content) + 1)]
    if kind == 'byte':
        spot = place % len(content)
        return content[:spot] + bytes([value]) + content[spot + 1 :]
    return content


def check_mutated(root: Path, mutations: list[tuple[str, int, int]]) -> None:
    """Read a mutated list: an error in one line, or each of its lines is used or counted."""
    content = TEXT.encode()
    for kind, place, value in mutations:
        text = content.decode('utf-8', 'surrogateescape')
        if text.strip():
            content = mutate(text.encode('utf-8', 'replace').decode(), kind, place, value)
    (root / 'train.csv').write_bytes(content)
    try:
        classes = scan_classes(root)
        found = files_by_class(root, 'train', classes)
    except UserError as error:
        assert '\n' not in str(error)
        return
    used = {Path(file).name: name for name, files in zip(classes, found.files, strict=True) for file in files}
    [note] = found.notes
    numbers = {key: int(note.split(key)[0].split()[-1]) for key in (' of its lines are repeated',) if key in note}
    absent = [part for part in note.split('; ') if ' in it absent' in part]
    counted = sum(numbers.values()) + (int(absent[0].split()[0]) if absent else 0)
    written = [line for line in content.decode('utf-8-sig').splitlines() if line.strip() and not line.startswith('#')]
    assert len(used) + counted >= len(written) - 1, (note, content)
    assert int(note.split()[0]) == len(used)
    for name, label in used.items():  # right, by the text itself
        assert any(name[:2] in line and label in line for line in written)


@pytest.fixture(scope='module')
def thirty(tmp_path_factory):
    return touch(tmp_path_factory.mktemp('listed'), *(f'train/{k:02}.jpg' for k in range(30)))


@settings(max_examples=FEW, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations=st.lists(MUTATION, min_size=1, max_size=3))
def test_a_mutated_list_is_read_right_or_refused(thirty, mutations):
    check_mutated(thirty, mutations)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_ten_thousand_mutated_lists(thirty, mutations):
    check_mutated(thirty, mutations)
