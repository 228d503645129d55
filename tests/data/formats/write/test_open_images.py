"""Open Images' files, read again as plain CSV."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from convnext_dense.data.formats.write.base import LabeledObject
from tests.helpers.drawn_truth import class_names, drawn_images
from tests.helpers.labeled import Read, check_equals, convert, image, triangle, write


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding='utf-8', newline='') as opened:
        return list(csv.DictReader(opened))


def names_of(folder: Path) -> dict[str, str]:
    with open(folder / 'class-descriptions-boxable.csv', encoding='utf-8', newline='') as opened:
        return dict(csv.reader(opened))


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'open_images', tmp_path / 'out')
    assert written.lost == [f'{written.annotations} masks became boxes']
    names = names_of(tmp_path / 'out')
    assert list(names.values()) == class_names(drawn)
    for split, folder in (('train', 'train'), ('val', 'validation')):
        found = {file.stem: [] for file in (tmp_path / 'out' / folder).iterdir()}
        for row in rows(tmp_path / f'out/{folder}-annotations-bbox.csv'):
            with Image.open(tmp_path / f'out/{folder}/{row["ImageID"]}.jpg') as opened:
                width, height = opened.size
            left, right, top, bottom = (float(row[key]) for key in ('XMin', 'XMax', 'YMin', 'YMax'))
            box = [left * width, top * height, (right - left) * width, (bottom - top) * height]
            found[row['ImageID']].append(Read(names[row['LabelName']], box))
        check_equals(found, drawn_images(drawn, split), masks=False)


def test_each_kind_of_object(tmp_path):
    objects = [
        LabeledObject(1, [-1.0, 2, 31, 20], score=0.75),
        triangle(is_crowd=True),
        triangle(is_crowd=True, is_region=True),
    ]
    written = write(
        tmp_path / 'out', 'open_images', image(tmp_path / 'a, b.png', *objects), classes=['cat, big', 'dog']
    )
    assert written.lost == ['1 ignore region left out (Open Images has none)']
    first, crowd = rows(tmp_path / 'out/train-annotations-bbox.csv')
    assert (first['ImageID'], first['LabelName'], first['Confidence']) == ('a, b', '/m/001', '0.75')
    edges = [float(first[key]) for key in ('XMin', 'XMax', 'YMin', 'YMax')]
    assert edges == pytest.approx([0, 0.5, 2 / 40, 22 / 40])
    assert (crowd['IsGroupOf'], first['IsGroupOf'], crowd['LabelName']) == ('1', '0', '/m/000')
    assert names_of(tmp_path / 'out') == {'/m/000': 'cat, big', '/m/001': 'dog'}
