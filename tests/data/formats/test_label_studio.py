"""Label Studio's own JSON files, which are recognized and not read."""

import json
from functools import partial

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.label_studio import describe_label_studio
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch

DET, SEG = 'configs/det/cascade_convnext_t_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'
BOX = {'x': 1, 'y': 1, 'width': 10, 'height': 10, 'rectanglelabels': ['cat']}
TASKS = [
    {
        'id': 1,
        'annotations': [{'id': 2, 'result': [{'type': 'rectanglelabels', 'value': BOX, 'from_name': 'label'}]}],
        'data': {'image': '/data/upload/1/ab-a.jpg'},
    }
]
SHORT = [{'image': '/data/upload/1/ab-a.jpg', 'id': 1, 'label': [BOX], 'annotator': 1, 'annotation_id': 2}]


@pytest.mark.parametrize('content', [TASKS, SHORT])
@pytest.mark.parametrize('given', ['', 'project-1.json'])
def test_the_export_to_take_is_named(content, given, tmp_path):
    touch(tmp_path, 'images/a.jpg')
    (tmp_path / 'project-1.json').write_text('\ufeff' + json.dumps(content))
    root = str(tmp_path / given)
    said = f"{tmp_path}/project-1.json is in Label Studio's own JSON: export the project from there as COCO, or as Y"
    readers = (partial(read_config, DET, None), partial(read_config, SEG, None), read_data_set)
    for read in readers:
        with pytest.raises(UserError) as error:
            read(root)
        assert said in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('text', ['{"annotation_id": 1}', '[1, 2]', '', '[{"image": "a.jpg", "label": "cat"}]', '[[['])
def test_other_files_are_not_taken_for_it(text, tmp_path):
    (tmp_path / 'a.json').write_text(text)
    assert describe_label_studio(tmp_path) == describe_label_studio(tmp_path / 'a.json') == ''
    assert describe_label_studio(tmp_path / 'absent') == ''
