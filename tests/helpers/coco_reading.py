"""Reading a COCO file whose content a test has changed."""

import json
from pathlib import Path

from convnext_dense.data.detection.coco import (
    CocoData,
    read_coco,
)
from convnext_dense.data.formats.base import Source
from tests.helpers import coco_files


def read(tmp_path: Path, data: dict, **options: object) -> CocoData:
    file, folder = tmp_path / 'annotations/instances_train2017.json', tmp_path / 'train2017'
    if not folder.exists():
        coco_files.write(tmp_path, coco_files.content())
    file.write_text(json.dumps(data))
    return read_coco(Source(file, folder), **options)


def flat(coco: CocoData) -> dict[int, dict]:
    return {a['id']: a for of_image in coco.annotations.values() for a in of_image}
