"""Folders of data sets in the layouts of many tools, with files that begin as theirs do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.helpers.small_files import write_files

COCO = json.dumps(
    {
        'images': [{'id': 1, 'file_name': 'a.jpg', 'width': 9, 'height': 9}],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 3, 3]}],
        'categories': [{'id': 1, 'name': 'cat'}],
    }
)
VOC = '<annotation><filename>a.jpg</filename><object><name>cat</name></object></annotation>'
LABEL_STUDIO = json.dumps([{'id': 1, 'data': {'image': 'a.jpg'}, 'annotations': [{'result': []}]}])
SUPERVISELY = json.dumps({'description': '', 'size': {'height': 9, 'width': 9}, 'objects': []})
LABELME = json.dumps({'version': '5.0', 'flags': {}, 'shapes': [], 'imagePath': 'a.jpg', 'imageData': None})
CVAT = (
    '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta></meta>\n</annotations>'
)
VIA = json.dumps({'a.jpg9': {'filename': 'a.jpg', 'size': 9, 'regions': [], 'file_attributes': {}}})
VIA_CSV = (
    'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n'
    'a.jpg,9,"{}",0,0,"{}","{}"'
)

FOLDERS: Mapping[str, Mapping[str, str]] = {
    'empty': {},
    'image folders': {'train/cat/a.jpg': '', 'val/cat/b.jpg': ''},
    'images alone': {'a.jpg': '', 'b.jpg': ''},
    'coco': {'annotations/instances_train2017.json': COCO, 'train2017/a.jpg': ''},
    'roboflow': {'train/_annotations.coco.json': COCO, 'train/a.jpg': ''},
    'coco beside images': {'a.json': COCO, 'a.jpg': ''},
    'yolo': {
        'data.yaml': 'names: [cat]\ntrain: images/train',
        'images/train/a.jpg': '',
        'labels/train/a.txt': '0 1 1 1 1',
    },
    'voc': {'Annotations/a.xml': VOC, 'JPEGImages/a.jpg': '', 'ImageSets/Main/train.txt': 'a'},
    'voc beside images': {'a.xml': VOC, 'a.jpg': ''},
    'label studio': {'result.json': LABEL_STUDIO, 'images/a.jpg': ''},
    'supervisely': {'meta.json': '{"classes": []}', 'ds/ann/a.jpg.json': SUPERVISELY, 'ds/img/a.jpg': ''},
    'open images': {'train-annotations-bbox.csv': 'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n'},
    'masks': {'images/training/a.jpg': '', 'annotations/training/a.png': '', 'classes.txt': 'cat'},
    'other json': {'a.json': '{"shape": [1, 2], "image": "a.jpg"}', 'b.json': '[1, 2]', 'c.json': '{', 'd.json': ''},
    'other xml': {'a.xml': '<annotations><item/></annotations>', 'b.xml': '<svg/>', 'c.xml': '<', 'd.xml': ''},
    'other csv': {'train.csv': 'filename,label\na.jpg,cat', 'b.csv': ''},
    'labelme': {'a.json': LABELME, 'a.jpg': ''},
    'cvat': {'annotations.xml': CVAT, 'images/a.jpg': ''},
    'via': {'via_region_data.json': VIA, 'a.jpg': ''},
    'via csv': {'via_export_csv.csv': VIA_CSV, 'a.jpg': ''},
}
"""Contents of the files of each folder, by their paths."""


def write_folder(root: Path, name: str) -> Path:
    return write_files(root, FOLDERS[name])
