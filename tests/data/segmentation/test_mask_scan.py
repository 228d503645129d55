"""Masks are scanned once, and what was found is remembered."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data import scan_cache
from convnext_dense.data.segmentation import mask_scan
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.mask_kinds import read_kind
from convnext_dense.data.segmentation.masks import mask_classes, read_labels
from convnext_dense.errors import UserError
from convnext_dense.tasks.segmentation import SegmentationTask
from tests.helpers.mask_folder import check, draw_labels, image, mask, save


@pytest.fixture
def scanned(monkeypatch):
    """The masks that were scanned."""
    names = []
    scan = mask_scan._scan
    monkeypatch.setattr(
        mask_scan, '_scan', lambda pair, *rest: names.append(os.path.basename(pair[1])) or scan(pair, *rest)
    )
    return names


def test_masks_are_scanned_once_until_a_file_changes(root, scanned):
    check(root)
    mask_classes(root, True)
    check(root, 7)
    assert sorted(scanned) == ['00.png', '01.png', '02.png', '03.png']
    with pytest.raises(UserError, match='4 with labels above 3'):
        check(root, 3)
    assert len(scanned) == 4

    save(mask(root), np.full((40, 56), 9, np.uint8))
    with pytest.raises(UserError, match='1 with labels above 5'):
        check(root)
    save(image(root, 2), np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(UserError, match='1 of another size'):
        check(root)
    assert len(scanned) == 12

    image(root, 2).unlink()
    save(mask(root), draw_labels(1))
    check(root)
    assert len(scanned) == 15


def test_splits_are_remembered_side_by_side(root, scanned):
    for _ in range(2):
        check(root)
        check(root, split='validation')
    assert len(scanned) == 6


def test_an_unreadable_mask_is_scanned_again(root, scanned):
    content = mask(root).read_bytes()
    times = os.stat(mask(root))
    mask(root).write_bytes(b'\0' * len(content))
    os.utime(mask(root), ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(UserError):
        check(root)
    mask(root).write_bytes(content)
    os.utime(mask(root), ns=(times.st_atime_ns, times.st_mtime_ns))
    check(root)


def test_what_was_remembered_may_be_broken(root, cache):
    check(root)
    (file,) = cache.glob('masks-*.json')
    for broken in (b'', b'[]', b'{"state": 1}', file.read_bytes()[:-9]):
        file.write_bytes(broken)
        mask_scan._found.clear()  # as in another process
        check(root)


def test_a_start_of_training_reads_the_results_of_a_split_once_and_without_the_lock(root, scanned, monkeypatch):
    """As every one of several processes does, which would wait for each other at the lock."""

    def start() -> None:
        task, data = SegmentationTask(), {'root': str(root), 'split': 'training', 'pipeline': []}
        cfg = read_config('configs/seg/upernet_convnext_a_ade20k.py', data=str(root), reads='train')
        task.check_trainable(cfg)
        MaskFolder(**data)
        MaskFolder(**{**data, 'split': 'validation'}, test_mode=True)

    start()
    reads, read = [], scan_cache.read_cache
    monkeypatch.setattr(scan_cache, 'read_cache', lambda *args: reads.append(1) or read(*args))
    monkeypatch.setattr(scan_cache, 'FileLock', None)
    start()
    assert not reads
    mask_scan._found.clear()  # as in another process
    start()
    assert len(reads) == 2 and len(scanned) == 6
    monkeypatch.undo()
    save(mask(root), np.full((40, 56), 9, np.uint8))
    with pytest.raises(UserError, match='1 with labels above 5'):
        start()


def test_without_a_cache_folder_masks_are_scanned_in_every_process(root, cache, scanned, caplog):
    cache.write_text('no folder')
    for _ in range(2):
        check(root)
        check(root)
        mask_scan._found.clear()
    assert len(scanned) == 8
    assert 'set CONVNEXT_DENSE_CACHE' in caplog.text


def test_a_scan_counts_the_labels(root):
    deep = np.full((40, 56), 300, np.uint16)
    deep[:2], deep[2:5] = 255, 7
    save(mask(root), deep)
    [*_, scan] = mask_scan.scan_masks(find_masks(root, 'training')[:2])
    assert scan.largest_label == 300 and dict(scan.pixels) == {255: 2 * 56, 7: 3 * 56}
    assert [dict(s.pixels) for s in mask_scan.scan_masks(find_masks(root, 'training')[:2])][1] == dict(scan.pixels)


def test_colors_that_no_file_names_are_read_once(tmp_path, cache, monkeypatch):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 9)]
    for split in ('train', 'val'):
        for number in range(3):
            save(tmp_path / 'data/images' / split / f'{number}.png', np.zeros((12, 16, 3), np.uint8))
            shown = np.full((12, 16, 3), colors[0], np.uint8)
            shown[:4, :number], shown[5:7] = colors[1], colors[2]
            save(tmp_path / 'data/masks' / split / f'{number}.png', shown)
    read: Counter[str] = Counter()
    scan = mask_scan._scan
    monkeypatch.setattr(
        mask_scan, '_scan', lambda pair, reader: read.update([type(reader).__name__]) or scan(pair, reader)
    )
    pairs, counts = find_masks(tmp_path / 'data', 'training'), []
    for _ in range(3):
        mask_scan._found.clear()  # as in another process
        labels = read_labels(tmp_path / 'data')
        assert labels.classes == ['color_000009', 'color_00ff00', 'color_ff0000']
        counts.append([dict(one.pixels) for one in mask_scan.scan_masks(pairs, labels.reader)])
    assert read['RawColors'] == 6 and read['ColorReader'] == 0 and max(read.values()) == 6
    assert counts == [[{0: 32, 2: 160}, {0: 32, 1: 4, 2: 156}, {0: 32, 1: 8, 2: 152}]] * 3
    save(Path(pairs[0][1]), np.full((12, 16, 3), colors[1], np.uint8))
    (first, *_) = mask_scan.scan_masks(pairs, read_kind(tmp_path / 'data').reader)
    assert dict(first.pixels) == {1: 192}


def test_a_mask_that_claims_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    picture = save(tmp_path / 'a.png', np.zeros((20, 30), np.uint8))
    huge = save(tmp_path / 'b.png', np.zeros((40, 30), np.uint8))
    monkeypatch.setattr(mask_scan, 'DEFAULT_MAX_PIXELS', 1000)
    monkeypatch.setattr(mask_scan.INDEX, 'read', lambda path: pytest.fail('decoded'), raising=False)
    found = mask_scan._scan((str(picture), str(huge)), mask_scan.INDEX)
    assert (found.fault, found.detail) == (mask_scan.SIZE, '40 x 30, image 20 x 30')
    monkeypatch.undo()
    monkeypatch.setattr(mask_scan, 'DEFAULT_MAX_PIXELS', 1000)
    assert mask_scan._scan((str(huge), str(huge)), mask_scan.INDEX).fault == ''  # of its image's size: no limit
