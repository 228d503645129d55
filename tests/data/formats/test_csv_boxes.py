"""CSV files with a box in each row, as tools and competitions write them."""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.data.detection.coco import read_coco, read_header
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.csv_boxes import CsvFormat
from convnext_dense.errors import UserError
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.mutated_files import EXAMPLES, check_mutations

SIZE = (60, 80)  # height and width
TENSORFLOW = 'filename,width,height,class,xmin,ymin,xmax,ymax'
ROW = 'a.jpg,80,60,cat,1,2,3,4'


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([*lines, '']))
    return path


def write_images(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE[::-1]).save(root / name)


def read(root: Path, split: str = WHOLE) -> tuple[list[tuple], list[str]]:
    """Return class and box of each object, and the lines about a split."""
    coco = read_coco(CsvFormat().find(root)[split])
    names = dict(zip(coco.category_ids, coco.classes, strict=True))
    found = [one for of_image in coco.annotations.values() for one in of_image]
    lines = [
        f'{fault.line} ({", ".join(map(str, fault.ids))})' for fault in coco.faults if 'height' not in fault.message
    ]
    return [(names.get(one['category_id']), one['bbox']) for one in found], lines


@pytest.mark.parametrize('folders', [('train', 'valid'), ('train', 'test')])
def test_roboflow_files_equal_what_is_drawn(tmp_path, drawn, folders):
    names = sorted(class_names(drawn))
    for split, folder in zip(('train', 'val'), folders, strict=True):
        lines = [TENSORFLOW]
        (tmp_path / folder).mkdir()
        for image in drawn_images(drawn, split):
            shutil.copy(image.file, tmp_path / folder)
            for one in image.objects:
                x, y, w, h = one.box
                edges = ','.join(map(str, (x, y, x + w, y + h)))
                lines.append(f'{image.file.name},{image.width},{image.height},{one.name},{edges}')
        write(tmp_path / folder / '_annotations.csv', *lines)
    for split, source in find_sources(str(tmp_path)).items():
        assert source.format == 'csv'
        check_equals_drawn(source, drawn_images(drawn, split), masks=False)
        used = [name for name in names if name in read_header(source).classes]
        coco = write_coco(tmp_path / f'{split}.json', drawn_images(drawn, split), used, masks=False)
        check_trains_alike(source, Source(coco, drawn / f'coco/{split}2017'), masks=False)


LAYOUTS = {
    'TensorFlow': ({'train': 'data/train_labels.csv', 'test': 'data/test_labels.csv'},
                   ['images/train/a.jpg', 'images/test/b.jpg']),
    'Roboflow': ({'train': 'train/_annotations.csv', 'val': 'valid/_annotations.csv'}, ['train/a.jpg', 'valid/b.jpg']),
    'competition': ({'train': 'train.csv'}, ['train/a.jpg', 'test/b.jpg', 'test/a.jpg']),
    'one file': ({WHOLE: 'annotations.csv'}, ['a.jpg']),
    'images in folders': ({WHOLE: 'labels/boxes.csv'}, ['photos/2024/a.jpg']),
}  # fmt: skip


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts(tmp_path, layout):
    files, images = LAYOUTS[layout]
    write_images(tmp_path, *images)
    for split, file in files.items():
        write(tmp_path / file, TENSORFLOW, f'{"b" if split in ("val", "test") else "a"}.jpg,80,60,cat,10,20,30,50')
    write(tmp_path / 'sample_submission.csv', 'image_id,PredictionString', 'x,1.0 0 0 50 50')
    assert [name for name, form in FORMATS.items() if form.find(tmp_path)] == ['csv']
    found = CsvFormat().find(tmp_path)
    assert found == {split: Source(tmp_path / file, tmp_path, 'csv') for split, file in files.items()}
    assert [read(tmp_path, split)[0] for split in found] == [[('cat', [10, 20, 20, 30])]] * len(found)
    used = [read_coco(source).images[0]['file_name'] for source in found.values()]
    assert used == images[: len(used)]


COLUMNS = {
    'TensorFlow': [TENSORFLOW, 'a.jpg,80,60,cat,10,20,30,50'],
    'RetinaNet': ['images/a.jpg,10,20,30,50,cat'],
    'RetinaNet with names': ['path,x1,y1,x2,y2,class', 'a.jpg,10,20,30,50,cat'],
    'competition': ['image_id,width,height,bbox,source', 'a,80,60,"[10.0, 20.0, 20.0, 30.0]",usask_1'],
    'sizes': ['image_name,x,y,width,height,class', 'a,10,20,20,30,cat'],
    'other order': ['ymax;xmax;ymin;xmin;label;image', '50;30;20;10;cat;C:\\me\\a.jpg'],
    'from a book': ['frame,xmin,xmax,ymin,ymax,class_id', 'a.jpg,10,30,20,50,cat'],
    'detection of a tool': ['Image Path,X_Min,Y_Min,X_Max,Y_Max,Class Name', 'https://x.org/a.jpg,10,20,30,50,cat'],
}


@pytest.mark.parametrize('kind', COLUMNS)
def test_columns(tmp_path, kind):
    write_images(tmp_path, 'images/a.jpg')
    write(tmp_path / 'a.csv', *COLUMNS[kind])
    name = 'object' if kind == 'competition' else 'cat'
    found, lines = read(tmp_path)
    assert found == [(name, [10, 20, 20, 30])]
    said = ["1 file of one class, called 'object', since no column names any (a.csv)"]
    assert [line for line in lines if 'file_name' not in line] == (said if kind == 'competition' else [])
    assert CsvFormat().find(tmp_path / 'a.csv') == {WHOLE: Source(tmp_path / 'a.csv', tmp_path, 'csv')}


@pytest.mark.parametrize(
    'text',
    [
        'image,label\na.jpg,cat',
        'image_id,PredictionString\na,1 2 3 4',
        '#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\na,1,{},0,0,{},{}',
        'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\na,x,/m/1,1,0,1,0,1',
        'epoch,x1,y1,x2,y2,loss\n1,2,3,4,5,6',
        'cat,0\ndog,1',
        'filename,xmin,x_min,ymin,xmax,ymax\na,1,2,3,4,5',
        '',
        '\0\0',
    ],
)
def test_other_csv_files_are_not_taken(tmp_path, text):
    write_images(tmp_path, 'a.jpg')
    write(tmp_path / 'train.csv', text)
    assert CsvFormat().find(tmp_path) is None and CsvFormat().find(tmp_path / 'train.csv') is None


def test_retinanet_lists_of_classes_give_names_and_order(tmp_path):
    write_images(tmp_path, 'a.jpg', 'b.jpg')
    write(tmp_path / 'train.csv', 'a.jpg,10,20,30,50,cow', 'a.jpg,1,2,3,4,cat', 'b.jpg,,,,,')
    write(tmp_path / 'classes.csv', 'cow,1', 'cat,0', 'bird,2')
    found, lines = read(tmp_path, 'train')
    assert found == [('cow', [10, 20, 20, 30]), ('cat', [1, 2, 2, 2])]
    source = CsvFormat().find(tmp_path)['train']
    assert read_header(source).classes == read_coco(source).classes == ('cat', 'cow', 'bird')
    assert len(read_coco(source).images) == 2 and lines == []
    write(tmp_path / 'train.csv', 'filename,class,x1,y1,x2,y2', 'a.jpg,1,10,20,30,50', 'b.jpg,0,1,2,3,4')
    write(tmp_path / 'classes.csv', 'id,name', '1,cow', '0,cat')
    assert read(tmp_path, 'train')[0] == [('cow', [10, 20, 20, 30]), ('cat', [1, 2, 2, 2])]


def test_classes_are_those_of_all_splits_and_numbers_are_sorted_as_such(tmp_path):
    write_images(tmp_path, 'images/a.jpg')
    write(tmp_path / 'train.csv', TENSORFLOW, *(f'a.jpg,80,60,{n},1,2,3,4' for n in (10, 9, 2)))
    write(tmp_path / 'val.csv', TENSORFLOW, 'a.jpg,80,60,1,1,2,3,4')
    for source in CsvFormat().find(tmp_path).values():
        assert read_coco(source).classes == read_header(source).classes == ('1', '2', '9', '10')


def test_images_that_are_not_listed_are_counted(tmp_path):
    write_images(tmp_path, 'train/a.jpg', 'train/b.jpg')
    write(tmp_path / 'train.csv', TENSORFLOW, 'a.jpg,80,60,cat,1,2,3,4')
    assert read(tmp_path, 'train')[1] == ['1 image left out: not in train.csv (train/b.jpg)']
    write_images(tmp_path, 'b.jpg', 'a.jpg')
    write(tmp_path / 'x.csv', TENSORFLOW, 'b.jpg,80,60,cat,1,2,3,4')
    assert CsvFormat().find(tmp_path).keys() == {'train'}


def test_images_of_another_split_are_not_taken(tmp_path):
    write_images(tmp_path, 'val/a.jpg')
    write(tmp_path / 'train.csv', TENSORFLOW, 'a.jpg,80,60,cat,1,2,3,4')
    with pytest.raises(UserError, match=r'1 image of 1 not found in .* \(a.jpg of train.csv:2\)'):
        read(tmp_path, 'train')


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('a.jpg,80,60,cat,nan,2,3,4', 'edges that are no finite number'),
        ('a.jpg,80,60,cat,,2,3,4', 'edges that are no finite number'),
        ('a.jpg,80,60,cat,1_0,2,30,4', 'edges that are no finite number'),
        ('a.jpg,80,60,,1,2,3,4', 'no class'),
        ('a.jpg,80,60,cat,1,2,3', '7 cells rather than 8'),
        ('a.jpg,80,60,cat,30,2,3,4', 'box of negative size'),
        ('a.jpg,80,60,cat,3,2,3,4', 'box of zero area'),
        ('a.jpg,80,60,cat,300,200,310,210', 'box outside its image'),
        (',80,60,cat,1,2,3,4', 'left out: without an image'),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, line, reason):
    write_images(tmp_path, 'a.jpg')
    write(tmp_path / 'a.csv', TENSORFLOW, 'a.jpg,80,60,cat,1,2,3,4', line, *['a.jpg,80,60,cat,1,2,3,4'] * 3)
    (said,) = [one for one in read(tmp_path)[1] if 'ignored' in one or 'dropped' in one or 'left out' in one]
    assert reason in said and said.endswith('(a.csv:3)')


@pytest.mark.parametrize(
    ('files', 'said'),
    [
        ({'a.csv': [TENSORFLOW], 'b.csv': []}, 'a.csv has no objects'),
        ({'a.csv': [TENSORFLOW, ROW], 'classes.csv': ['dog,0']}, r"a.csv:2 is of the class 'cat', which "),
        ({'a.csv': [TENSORFLOW, ROW], 'classes.csv': ['a,0', 'b,0']}, 'two classes the same number'),
        ({'a.csv': [TENSORFLOW, ROW], 'classes.csv': ['a,0', 'b,c']}, 'classes.csv:2 must be a name and a number'),
        ({'a.csv': [TENSORFLOW, 'a.jpg,80,60,cat,0.1,0.2,0.3,0.4']}, 'numbers between 0 and 1, fractions of the'),
        (
            {'a.csv': ['image,class,bbox', *['a.jpg,cat,"[40, 30, 79, 59]"'] * 3]},
            r'its boxes are probably corners \[x1, y1, x2, y2\]',
        ),
        ({'a.csv': [TENSORFLOW, ROW], 'b.csv': [TENSORFLOW, ROW]},
         'holds 2 CSV files, and no name tells the split of a.csv, b.csv: keep one for each split, as train.csv'),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path, files, said):
    write_images(tmp_path, 'a.jpg')
    for name, lines in files.items():
        write(tmp_path / name, *lines)
    with pytest.raises(UserError, match=said) as error:
        read(tmp_path)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('examples', EXAMPLES)
def test_each_object_of_a_changed_file_is_accounted_for(tmp_path, examples):
    write_images(tmp_path, 'a.jpg', 'b.jpg')
    rows = [
        f'{image}.jpg,80,60,{name},{4 + n},5,40,50' for image in 'ab' for n, name in enumerate(('cat', 'dog', 'cow'))
    ]
    path = write(tmp_path / 'train.csv', TENSORFLOW, *rows, 'b.jpg,80,60,,,,,')

    def count(content: bytes) -> int | None:
        try:
            text = content.decode('utf-8-sig' if content.startswith(b'\xef\xbb\xbf') else 'utf-8')
        except UnicodeDecodeError:
            return None
        lines = [line for line in text.replace('\r\n', '\n').replace('\r', '\n').split('\n') if line.strip(' ,\t;"')]
        header, *rows = [[cell.strip() for cell in cells] for cells in csv.reader(lines)] or [[]]
        named = [
            place for place, name in enumerate(header) if name.lower() in ('class', 'xmin', 'ymin', 'xmax', 'ymax')
        ]
        empty = [len(cells) == len(header) and not any(cells[place] for place in named) for cells in rows]
        return len(rows) - sum(empty)

    source = Source(path, tmp_path, 'csv')
    read_files, refused = check_mutations(path, source, examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('name', FOLDERS)
def test_folders_of_other_formats_are_not_taken(tmp_path, name):
    assert CsvFormat().find(write_folder(tmp_path, name)) is None
