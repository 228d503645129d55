import csv
import json
from pathlib import Path

import pytest
from PIL import Image
from pycocotools.coco import COCO

from convnext_dense.analysis.suspect_files import COLUMNS, write_coco, write_csv
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats.base import Source
from convnext_dense.diagnosis.suspects import Suspect
from convnext_dense.io.image_size import ImageSize

CLASSES = ['cat', 'dog, "big"', 'Füchse\nund Dächse']


@pytest.fixture
def suspects(tmp_path) -> list[Suspect]:
    names = ('a, "b".png', 'sub/ü\nc.png', 'd.png', 'gone.png')
    paths = [str(tmp_path / 'images' / name) for name in names]
    for path in paths[:3]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (60, 40)).save(path)
    return [
        Suspect(paths[0], 'no object', 0.25, 1, None, (1.0, 2.0, 11.5, 22.123), 0),
        Suspect(paths[1], 'class', 0.75, 0, 2, (0, 0, 30, 40), 3),
        Suspect(paths[1], 'no label', 0.5, None, 1, (30, 0, 60, 40)),
        Suspect(paths[3], 'box', 0.4, 1, 1, (30, 0, 60, 40), 1),
        Suspect(paths[2], 'leak', 0.99, other_path='/train/x.png'),
        Suspect(paths[2], 'duplicate', 0.97, 1, 0, other_path='/val/y.png'),
    ]


def test_csv_has_a_row_for_each_whatever_is_in_the_names(suspects, tmp_path):
    write_csv(tmp_path / 'suspects.csv', suspects, CLASSES)
    with open(tmp_path / 'suspects.csv', newline='', encoding='utf-8') as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert [row[0] for row in rows] == ['1', '2', '3', '4', '5', '6']
    assert [row[2] for row in rows] == ['duplicate', 'class', 'no label', 'box', 'no object', 'leak']
    assert rows[1][:11] == [
        *('2', suspects[1].path, 'class', 'cat', CLASSES[2], '0.7500', '0', '0', '30', '40', ''),
    ]
    assert rows[4][6:10] == ['1', '2', '10.5', '20.12']
    assert rows[0][3:5] == [CLASSES[1], 'cat'] and rows[0][10] == '/val/y.png'
    assert rows[1][-1] == 'the model takes this for Füchse\nund Dächse, not cat'
    assert all(row[-1] for row in rows)


def test_coco_file_is_read_by_pycocotools_and_by_our_reader(suspects, tmp_path):
    file = tmp_path / 'suspects_coco.json'
    assert write_coco(file, suspects, CLASSES) == 3  # the image of one is gone
    coco = COCO(str(file))
    assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == CLASSES
    images = {image['file_name']: image for image in coco.loadImgs(coco.getImgIds())}
    assert images.keys() == {'a, "b".png', 'sub/ü\nc.png'}
    assert all((image['width'], image['height']) == (60, 40) for image in images.values())
    of_image = coco.loadAnns(coco.getAnnIds(images['sub/ü\nc.png']['id']))
    assert [(one['category_id'], one['bbox'], one['score']) for one in of_image] == [
        (3, [0, 0, 30, 40], 0.75),
        (2, [30, 0, 30, 40], 0.5),
    ]
    assert of_image[0]['attributes'] == {
        'rank': 2,
        'kind': 'class',
        'given': 'cat',
        'suggested': CLASSES[2],
        'reason': 'the model takes this for Füchse\nund Dächse, not cat',
    }
    for one in coco.anns.values():
        assert one['area'] == one['bbox'][2] * one['bbox'][3] and one['iscrowd'] == 0

    read = read_coco(Source(file, tmp_path / 'images', 'coco'))
    assert list(read.classes) == CLASSES and len(read.images) == 2 and not read.faults
    boxes = sorted(tuple(one['bbox']) for of_image in read.annotations.values() for one in of_image)
    assert boxes == [(0, 0, 30, 40), (1, 2, 10.5, 20.12), (30, 0, 30, 40)]


def test_sizes_that_are_known_are_not_read(suspects, tmp_path):
    sizes = {one.path: ImageSize(7, 9) for one in suspects}
    assert write_coco(tmp_path / 'coco.json', suspects, CLASSES, sizes) == 4
    content = json.loads((tmp_path / 'coco.json').read_text(encoding='utf-8'))
    assert {(image['width'], image['height']) for image in content['images']} == {(9, 7)}


def test_no_suspects(tmp_path):
    write_csv(tmp_path / 'suspects.csv', [], CLASSES)
    assert (tmp_path / 'suspects.csv').read_text().splitlines() == [','.join(COLUMNS)]
    assert write_coco(tmp_path / 'coco.json', [], CLASSES) == 0
    assert json.loads((tmp_path / 'coco.json').read_text())['images'] == []
