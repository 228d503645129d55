"""Category ids of a model's classes in a COCO file."""

from pathlib import Path

import numpy as np
import pytest

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.join import join_categories
from convnext_dense.data.formats.base import Source
from convnext_dense.errors import UserError
from tests.helpers import coco_files

CLASSES, IDS = ('red', 'green', 'blue'), (7, 2, 90)


def write(root: Path, names: dict[str, int]) -> Source:
    content = coco_files.content()
    numbers = {coco_files.CATEGORIES[name]: number for name, number in names.items() if name in CLASSES}
    content['categories'] = [{'id': number, 'name': name} for name, number in names.items()]
    content['annotations'] = [
        {**a, 'category_id': numbers[a['category_id']]} for a in content['annotations'] if a['category_id'] in numbers
    ]
    file, folder = coco_files.write(root, content, drawn=coco_files.content())
    return Source(file, folder)


@pytest.mark.parametrize(
    ('names', 'ids', 'joined'),
    [
        ({'red': 7, 'green': 2, 'blue': 90}, IDS, (7, 2, 90)),
        ({'blue': 31, 'red': 4, 'green': 5}, IDS, (4, 5, 31)),
        ({'green': 5}, IDS, (7, 5, 90)),
        ({'blue': 7, 'green': 5}, IDS, (1, 5, 7)),  # the other id of red is taken
        ({'blue': 1, 'green': 3}, None, (2, 3, 1)),
        ({'green': 90, 'red': 1}, IDS, (1, 90, 2)),
    ],
)
def test_ids_are_those_of_the_file_then_of_the_checkpoint_then_free_ones(tmp_path, names, ids, joined):
    paths = write(tmp_path, names)
    assert join_categories(paths.annotations, read_coco(paths), CLASSES, ids) == joined
    data = CocoDataset(
        str(paths.annotations), str(paths.images), [], test_mode=True, classes=CLASSES, category_ids=ids
    )
    assert data.metainfo == {'classes': CLASSES, 'category_ids': joined}
    everything = {'red': 2, 'green': 2, 'blue': 2}  # annotations of each name
    assert data.class_counts.tolist() == [everything[name] * (name in names) for name in CLASSES]
    labels = np.concatenate([[i['bbox_label'] for i in data.get_data_info(n)['instances']] for n in range(len(data))])
    assert np.bincount(labels.astype(int), minlength=3).tolist() == data.class_counts.tolist()


def test_categories_that_are_no_class_are_refused_by_name(tmp_path):
    paths = write(tmp_path, {'red': 1, 'sky': 2, 'sea': 3})
    with pytest.raises(
        UserError, match=r'has sky, sea, and lacks .*, where the model has 3 categories: red, green, blue: use'
    ):
        join_categories(paths.annotations, read_coco(paths), CLASSES)
