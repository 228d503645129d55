"""The records of a folder without labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from convnext_dense.data.check import check_dataset
from convnext_dense.data.pretraining.check import read_unlabeled


def test_records_have_all_images_and_what_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    for name in ('train/a.png', 'train/b.png', 'val/c.png', 'test/d.png', 'train/broken.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / 'train' / 'broken.png').write_bytes(b'nothing')
    (tmp_path / 'train' / 'e.gif').write_bytes(b'nothing')
    (tmp_path / 'val' / 'copy.png').write_bytes((tmp_path / 'train' / 'a.png').read_bytes())
    data = read_unlabeled({split: dict(root=str(tmp_path), split=split) for split in ('train', 'val')})
    names = {split.name: [Path(image.path).name for image in split.images] for split in data.splits}
    assert names == {'train': ['a.png', 'b.png', 'broken.png'], 'val': ['c.png', 'copy.png']}
    assert data.classes == []
    found = [(finding.level, finding.message) for finding in check_dataset(data, 1).findings]
    assert [message for level, message in found if level == 'problem'] == [
        "1 image that can't be decoded",
        '1 image that val shares with train: its results will look better than they are',
    ]
    assert ('warning', '1 image in a format that is not read') in found
    assert ('note', '1 image of a test split left out, so that a test of what follows stays one: test') in found
