"""The layouts in which other tools write COCO files and images."""

import json
from collections.abc import Iterable
from pathlib import Path

from convnext_dense.data.formats.base import WHOLE
from tests.helpers.coco_files import content
from tests.helpers.layouts import touch

LAYOUTS_OF_TOOLS = {
    'CVAT': ({'annotations/instances_default.json': 'a.jpg'}, ['images/default/a.jpg'], {WHOLE: 'images/default'}),
    'CVAT, flat': ({'annotations/instances_default.json': 'a.jpg'}, ['images/a.jpg'], {WHOLE: 'images'}),
    'CVAT with subsets': (
        {'annotations/instances_Train.json': 'a.jpg', 'annotations/instances_Validation.json': 'b.jpg'},
        ['images/Train/a.jpg', 'images/Validation/b.jpg'],
        {'train': 'images/Train', 'val': 'images/Validation'},
    ),
    'FiftyOne': ({'labels.json': 'a.jpg'}, ['data/a.jpg'], {WHOLE: 'data'}),
    'FiftyOne with splits': (
        {'train/labels.json': 'a.jpg', 'validation/labels.json': 'b.jpg', 'test/labels.json': 'c.jpg'},
        ['train/data/a.jpg', 'validation/data/b.jpg', 'test/data/c.jpg'],
        {'train': 'train/data', 'val': 'validation/data', 'test': 'test/data'},
    ),
    "FiftyOne's download of COCO": (
        {'train/labels.json': 'a.jpg', 'validation/labels.json': 'b.jpg', 'raw/instances_train2017.json': 'a.jpg'},
        ['train/data/a.jpg', 'validation/data/b.jpg', 'info.json'],
        {'train': 'train/data', 'val': 'validation/data'},
    ),
    'Label Studio': ({'result.json': 'images/1.jpg'}, ['images/1.jpg'], {WHOLE: '.'}),
    'Label Studio on Windows': ({'result.json': r'images\\1.jpg'}, ['images/1.jpg'], {WHOLE: 'images'}),
    'Label Studio, uploaded': (
        {'result.json': '/data/upload/2/5a0ab1c2-1.jpg'},
        ['images/5a0ab1c2-1.jpg'],
        {WHOLE: 'images'},
    ),
    'Label Studio, own files': ({'result.json': 'images/5a0ab1c2-1.jpg'}, ['images/1.jpg'], {WHOLE: 'images'}),
    'Label Studio, local files': (
        {'result.json': '/data/local-files/?d=data/images/1%20a.jpg'},
        ['images/1 a.jpg'],
        {WHOLE: 'images'},
    ),
    'Roboflow': (
        {f'{one}/_annotations.coco.json': 'a.jpg' for one in ('train', 'valid', 'test')},
        ['train/a.jpg', 'valid/a.jpg', 'test/a.jpg', 'README.dataset.txt'],
        {'train': 'train', 'val': 'valid', 'test': 'test'},
    ),
    'Kaggle, one folder of images': (
        {'train.json': 'a.jpg', 'val.json': 'b.jpg'},
        ['images/a.jpg', 'images/b.jpg'],
        {'train': 'images', 'val': 'images'},
    ),
    'Kaggle, folders by split': (
        {'train.json': 'a.jpg', 'valid.json': 'a.jpg'},
        ['train_images/a.jpg', 'valid_images/a.jpg'],
        {'train': 'train_images', 'val': 'valid_images'},
    ),
    'Kaggle, one file': ({'annotations.json': 'a.jpg'}, ['images/a.jpg'], {WHOLE: 'images'}),
    'Kaggle, files in sets': (
        {'trainset/annotations.json': 'a.jpg', 'testset/annotations.json': 'a.jpg'},
        ['trainset/a.jpg', 'testset/a.jpg'],
        {'train': 'trainset', 'test': 'testset'},
    ),
    'Datumaro': (
        {'annotations/instances_train.json': 'a.jpg', 'annotations/instances_val.json': 'b.jpg'},
        ['images/train/a.jpg', 'images/val/b.jpg'],
        {'train': 'images/train', 'val': 'images/val'},
    ),
    'labelme2coco': ({'annotations.json': 'JPEGImages/a.jpg'}, ['JPEGImages/a.jpg'], {WHOLE: '.'}),
    'makesense.ai': ({'labels_my-project-name_2024-05-01-10-20-30.json': 'a.jpg'}, ['a.jpg'], {WHOLE: '.'}),
    'folders of annotations and images': (
        {'Train/annotations/a.json': 'a.jpg', 'Val/annotations/b.json': 'b.jpg'},
        ['Train/images/a.jpg', 'Val/images/b.jpg'],
        {'train': 'Train/images', 'val': 'Val/images'},
    ),
    'annotations by split': (
        {'annotations/training/a.json': 'a.jpg', 'annotations/eval/b.json': 'b.jpg'},
        ['images/x/training/a.jpg', 'images/x/eval/b.jpg'],
        {'train': 'images/x/training', 'val': 'images/x/eval'},
    ),
    'images in folders of their own': ({'a.json': 'a.jpg'}, ['photos/2024/may/a.jpg'], {WHOLE: 'photos/2024/may'}),
    'other COCO files': (
        {f'annotations/{kind}_default.json': 'a.jpg' for kind in ('instances', 'person_keypoints', 'captions')},
        ['images/a.jpg'],
        {WHOLE: 'images'},
    ),
    'keypoints alone': ({'annotations/person_keypoints_default.json': 'a.jpg'}, ['images/a.jpg'], {WHOLE: 'images'}),
    'trainval and test': (
        {'annotations/trainval.json': 'a.jpg', 'annotations/test.json': 'b.jpg'},
        ['images/a.jpg', 'images/b.jpg'],
        {'train': 'images', 'test': 'images'},
    ),
    'trainval35k and minival': (
        {'instances_trainval35k.json': 'a.jpg', 'instances_minival.json': 'b.jpg'},
        ['images/a.jpg', 'images/b.jpg'],
        {'train': 'images', 'val': 'images'},
    ),
    'COCO of 2014': (
        {'trainval35k.json': 'COCO_val2014_01.jpg', 'minival.json': 'COCO_val2014_02.jpg'},
        ['val2014/COCO_val2014_01.jpg', 'val2014/COCO_val2014_02.jpg', 'train2014/COCO_train2014_03.jpg'],
        {'train': 'val2014', 'val': 'val2014'},
    ),
    'names in capitals': (
        {'TRAIN.JSON': 'a.jpg', 'VAL.JSON': 'b.jpg'},
        ['a.jpg', 'b.jpg'],
        {'train': '.', 'val': '.'},
    ),
}
"""By tool: COCO files, each with the name of its image; other files; and the folder of images of each split."""


def write_layout(root: Path, files: dict[str, str], images: Iterable[str]) -> None:
    """Write COCO files, each of one image with a name as given, and images."""
    for file, name in files.items():
        data = content()
        data['images'] = [{**data['images'][0], 'file_name': name}]
        data['annotations'] = [a for a in data['annotations'] if a['image_id'] == data['images'][0]['id']]
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(data))
    touch(root, *images)
