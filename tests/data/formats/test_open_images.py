"""CSV files of Open Images, with files as its site, FiftyOne, CVAT and downloaders write them."""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.data.detection.coco import read_coco, read_header
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.open_images import OpenImagesFormat
from convnext_dense.errors import UserError
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.mutated_files import EXAMPLES, check_mutations

HEADER = (
    'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside'
)
CLASSES = {'/m/011k07': 'Tortoise', '/m/0cmf2': 'Airplane', '/m/01mzpv': 'Chair, folding'}
SIZE = (60, 80)  # height and width


def row(image: str, label: str = '/m/0cmf2', box: tuple = (0.25, 0.75, 0.1, 0.6), flags: str = '0,0,0,0,0') -> str:
    """Write a row; ``box`` is XMin, XMax, YMin, YMax."""
    return f'{image},xclick,{label},1,{",".join(map(str, box))},{flags}'


def write_csv(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([header, *rows, '']))
    return path


def write_classes(path: Path, header: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='') as file:
        csv.writer(file).writerows([*([('LabelName', 'DisplayName')] if header else []), *CLASSES.items()])


def write_images(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE[::-1]).save(root / name)


def read(root: Path, split: str = 'train') -> tuple[list[list], list[str]]:
    """Return the boxes and the lines about a split."""
    coco = read_coco(OpenImagesFormat().find(root)[split])
    boxes = [one['bbox'] for of_image in coco.annotations.values() for one in of_image]
    return boxes, [f'{fault.line} ({", ".join(map(str, fault.ids))})' for fault in coco.faults]


def test_files_equal_what_is_drawn(tmp_path, drawn):
    names = class_names(drawn)
    write_csv(
        tmp_path / 'class-descriptions-boxable.csv', *(f'/m/0{n},{name}' for n, name in enumerate(names)), header=''
    )
    for split, folder in (('train', 'train'), ('val', 'validation')):
        rows = []
        for image in drawn_images(drawn, split):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(image.file, tmp_path / folder)
            for one in image.objects:
                x, y, w, h = one.box
                edges = (x / image.width, (x + w) / image.width, y / image.height, (y + h) / image.height)
                rows.append(row(image.file.stem, f'/m/0{names.index(one.name)}', edges))
        write_csv(tmp_path / f'{folder}-annotations-bbox.csv', *rows)
    sources = find_sources(str(tmp_path))
    assert {split: source.format for split, source in sources.items()} == {
        'train': 'open_images',
        'val': 'open_images',
    }
    for split, source in sources.items():
        check_equals_drawn(source, drawn_images(drawn, split), masks=False)
        coco = write_coco(tmp_path / f'{split}.json', drawn_images(drawn, split), names, masks=False)
        check_trains_alike(source, Source(coco, drawn / f'coco/{split}2017'), masks=False)


SPLITS, NAMES = ('train', 'val', 'test'), ('train', 'validation', 'test')
LAYOUTS = {
    'site': (
        {split: f'{name}-annotations-bbox.csv' for split, name in zip(SPLITS, NAMES, strict=True)},
        'class-descriptions-boxable.csv',
        {'train': 'train/a.jpg', 'val': 'validation/a.jpg', 'test': 'test/a.jpg'},
    ),
    'version 6 and 7': (
        {'train': 'oidv6-train-annotations-bbox.csv', 'val': 'validation-annotations-bbox.csv'},
        'oidv7-class-descriptions-boxable.csv',
        {'train': 'images/train/a.jpg', 'val': 'images/validation/a.jpg'},
    ),
    'FiftyOne': ({WHOLE: 'labels/detections.csv'}, 'metadata/classes.csv', {WHOLE: 'data/a.jpg'}),
    'FiftyOne with splits': (
        {'train': 'train/labels/detections.csv', 'val': 'validation/labels/detections.csv'},
        'train/metadata/classes.csv',
        {'train': 'train/data/a.jpg', 'val': 'validation/data/a.jpg'},
    ),
    'CVAT': (
        {WHOLE: 'annotations/default-annotations-bbox.csv'}, 'annotations/class-descriptions.csv',
        {WHOLE: 'images/default/a.jpg'},
    ),
    'OIDv4_ToolKit': (
        {'train': 'csv_folder/train-annotations-bbox.csv', 'test': 'csv_folder/test-annotations-bbox.csv'},
        'csv_folder/class-descriptions-boxable.csv',
        {'train': 'Dataset/train/Airplane/a.jpg', 'test': 'Dataset/test/Airplane/a.jpg'},
    ),
    'challenge': ({'train': 'challenge-2019-train-detection-bbox.csv'}, 'challenge-2019-classes-description-500.csv',
                  {'train': 'a.jpg'}),
}  # fmt: skip


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts(tmp_path, layout):
    files, classes, images = LAYOUTS[layout]
    for file in files.values():
        write_csv(tmp_path / file, row('a'))
    write_classes(tmp_path / classes, header='oidv7' in classes)
    if layout == 'FiftyOne with splits':
        write_classes(tmp_path / 'validation/metadata/classes.csv')
    write_images(tmp_path, *images.values())
    assert [name for name, form in FORMATS.items() if form.find(tmp_path)] == ['open_images']
    found = OpenImagesFormat().find(tmp_path)
    assert {split: source.annotations for split, source in found.items()} == {
        split: tmp_path / file for split, file in files.items()
    }
    for split, source in found.items():
        coco = read_coco(source)
        assert [image['file_name'] for image in coco.images] == [images[split]]
        assert coco.classes == read_header(source).classes
        expected = ('Airplane',) if layout == 'CVAT' else tuple(CLASSES.values())
        assert coco.classes == expected
        ((one,),) = coco.annotations.values()
        assert one['bbox'] == [20, 6, 40, 30]


def test_groups_are_crowds_and_all_other_flags_are_objects(tmp_path):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    flags = ['0,0,0,0,0', '1,1,1,0,0', '0,0,0,1,0', '0,0,0,0,1', '-1,-1,-1,-1,-1']
    write_csv(tmp_path / 'train-annotations-bbox.csv', *(row('a', flags=one) for one in flags))
    write_images(tmp_path, 'train/a.jpg')
    ((*found,),) = read_coco(OpenImagesFormat().find(tmp_path)['train']).annotations.values()
    assert [one['iscrowd'] for one in found] == [0, 1, 0, 0, 0]


def test_only_images_that_are_there_are_used(tmp_path):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    rows = [row('a'), row('b'), row('b'), row('c')]
    write_csv(tmp_path / 'train-annotations-bbox.csv', *rows)
    write_images(tmp_path, 'train/a.jpg', 'train/new.jpg', 'validation/b.jpg')
    boxes, lines = read(tmp_path)
    assert boxes == [[20, 6, 40, 30]]
    assert lines == [
        '1 file lists 2 images that are not there, left out with 3 boxes (train-annotations-bbox.csv)',
        '1 image left out: not in train-annotations-bbox.csv (train/new.jpg)',
    ]


def test_copies_of_an_image_in_folders_of_classes_are_one(tmp_path):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'), row('a', '/m/011k07'))
    write_images(tmp_path, 'train/Airplane/a.jpg', 'train/Tortoise/a.jpg')
    boxes, lines = read(tmp_path)
    assert len(boxes) == 2
    assert lines == ['1 image left out: with the name of another one (train/Tortoise/a.jpg)']


def test_masks_are_not_read_and_that_is_said(tmp_path):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'))
    masks = 'MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks'
    write_csv(
        tmp_path / 'train-annotations-object-segmentation.csv',
        'a_m0cmf2_1.png,a,/m/0cmf2,1,0,1,0,1,0.9,',
        header=masks,
    )
    write_images(tmp_path, 'train/a.jpg', 'train-masks/a_m0cmf2_1.png')
    assert read(tmp_path)[1] == [
        '1 file not read: it lists masks, and boxes alone are taken (train-annotations-object-segmentation.csv)'
    ]
    assert not OpenImagesFormat().has_masks(OpenImagesFormat().find(tmp_path)['train'])


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        (row('a', box=('nan', 1, 0, 1)), 'edges that are no finite number'),
        (row('a', box=('x', 1, 0, 1)), 'edges that are no finite number'),
        (row('a', box=('', 1, 0, 1)), 'edges that are no finite number'),
        (row('a', label=''), 'no LabelName'),
        (row(''), 'left out: without ImageID'),
        (row('a')[:-4], '11 cells rather than 13'),
        (row('a') + ',1', '14 cells rather than 13'),
        (row('a', box=(0.8, 0.2, 0, 1)), 'box of negative size'),
        (row('a', box=(0.5, 0.5, 0, 1)), 'box of zero area'),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path, line, reason):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'), line)
    write_images(tmp_path, 'train/a.jpg')
    (said,) = [one for one in read(tmp_path)[1] if 'ignored' in one or 'dropped' in one or 'left' in one]
    assert reason in said and said.endswith('(train-annotations-bbox.csv:3)')


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        (
            row('a', label='/m/xyz'),
            r"train-annotations-bbox.csv:3 is of the class '/m/xyz', which .*boxable.csv does not",
        ),
        (row('a', flags='0,0,2,0,0'), r"train-annotations-bbox.csv:3: IsGroupOf is '2': write 0 or 1"),
        (',,,,,,,', None),
    ],
)
def test_rows_that_are_refused(tmp_path, line, said):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'), line)
    write_images(tmp_path, 'train/a.jpg')
    if said is None:
        assert len(read(tmp_path)[0]) == 1
        return
    with pytest.raises(UserError, match=said):
        read(tmp_path)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('/m/1\n', r'class-descriptions-boxable.csv:1 must be a label and a name'),
        ('/m/1,A\n/m/1,B\n', r'class-descriptions-boxable.csv:2 gives /m/1 another name than a line before'),
    ],
)
def test_a_bad_list_of_classes(tmp_path, text, said):
    (tmp_path / 'class-descriptions-boxable.csv').write_text(text)
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'))
    write_images(tmp_path, 'train/a.jpg')
    with pytest.raises(UserError, match=said):
        read(tmp_path)


def test_none_of_the_images(tmp_path):
    write_csv(tmp_path / 'train-annotations-bbox.csv', row('a'), row('b'))
    with pytest.raises(
        UserError, match=r'none of the 2 images that .*bbox.csv lists is in .* \(a.jpg\): download some'
    ):
        read(tmp_path)


@pytest.mark.parametrize('examples', EXAMPLES)
def test_each_object_of_a_changed_file_is_accounted_for(tmp_path, examples):
    write_classes(tmp_path / 'class-descriptions-boxable.csv')
    rows = [row(image, label, (0.1, 0.5, 0.2, 0.9)) for image in 'ab' for label in CLASSES]
    rows += [row('b', flags='1,0,1,0,0'), row('a', box=(0, 1, 0, 1)), row('c')]
    path = write_csv(tmp_path / 'train-annotations-bbox.csv', *rows)
    write_images(tmp_path, 'train/a.jpg', 'train/b.jpg')

    def count(content: bytes) -> int | None:
        try:
            text = content.decode('utf-8-sig' if content.startswith(b'\xef\xbb\xbf') else 'utf-8')
        except UnicodeDecodeError:
            return None
        lines = [line for line in text.replace('\r\n', '\n').replace('\r', '\n').split('\n') if line.strip(' ,\t;"')]
        header = [cell.strip(' "').lower() for cell in lines[0].split(',')] if lines else []
        if 'imageid' not in header:
            return None
        place = header.index('imageid')
        ids = [cells[place].strip() if len(cells) > place else '' for cells in csv.reader(lines[1:])]
        return sum(one.removesuffix('.jpg') in ('a', 'b', '') for one in ids)

    source = Source(path, tmp_path, 'open_images')
    read_files, refused = check_mutations(path, source, examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('name', FOLDERS)
def test_folders_of_other_formats_are_not_taken(tmp_path, name):
    assert bool(OpenImagesFormat().find(write_folder(tmp_path, name))) == (name in ('open images',))
