"""The sample data: three valid formats, the same bytes on every run, written once however many ask."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.errors import UserError
from convnext_dense.sample_data.landscape import REGIONS
from convnext_dense.sample_data.page import Page
from convnext_dense.sample_data.pen import Pen, box
from convnext_dense.sample_data.sample import (
    CACHE_VARIABLE,
    FULL,
    MANIFEST,
    SAMPLE_VERSION,
    SampleSize,
    ensure_sample,
    sample_root,
)
from convnext_dense.sample_data.things import THINGS, Thing
from convnext_dense.sample_data.writer import _runs

SIZE = SampleSize(train_portraits=24, val_portraits=12, train_scenes=60, val_scenes=4)
TINY = SampleSize(train_portraits=12, val_portraits=12, train_scenes=5, val_scenes=2)
ENDLESS = SampleSize(train_portraits=100_000, val_portraits=1, train_scenes=10, val_scenes=1)
LEAST = SampleSize(train_portraits=1, val_portraits=1, train_scenes=1, val_scenes=1)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def read(path: Path, flag: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    image = cv2.imread(str(path), flag)
    assert image is not None, path
    return image


@pytest.fixture(scope='module')
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_sample(tmp_path_factory.mktemp('cache'), size=SIZE, workers=2)


@pytest.fixture(scope='module')
def coco(sample: Path) -> COCO:
    return COCO(sample / 'coco/annotations/instances_train2017.json')


def ade_label(sample: Path, image_id: int) -> np.ndarray:
    return read(sample / f'ade20k/annotations/training/ADE_train_{image_id:08d}.png')


# ------------------------------------------------------------------ where and when it is written


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f'sample-v{SAMPLE_VERSION}'
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / 'a'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'b'))
    assert sample_root() == tmp_path / 'a' / name
    assert sample_root(tmp_path / 'c') == tmp_path / 'c' / name
    monkeypatch.delenv(CACHE_VARIABLE)
    assert sample_root() == tmp_path / 'b' / 'convnext_dense' / name
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert sample_root() == tmp_path / 'home/.cache/convnext_dense' / name


def test_other_sizes_lie_beside_the_full_one(tmp_path: Path) -> None:
    assert len({sample_root(tmp_path, size) for size in (FULL, SIZE, TINY)}) == 3


def test_same_bytes_with_any_number_of_workers(tmp_path: Path) -> None:
    one = hashes(ensure_sample(tmp_path / 'one', size=TINY, workers=1))
    three = hashes(ensure_sample(tmp_path / 'three', size=TINY, workers=3))
    assert one == three
    images = [digest for path, digest in one.items() if path.endswith('.jpg') and 'ade20k' not in path]
    assert len(set(images)) == len(images) == 24 + 7  # no two are alike


def test_a_smaller_sample_is_the_beginning_of_a_larger_one(sample: Path, tmp_path: Path) -> None:
    small, large = hashes(ensure_sample(tmp_path, size=TINY, workers=1)), hashes(sample)
    images = [path for path in small if path.endswith(('.jpg', '.png'))]
    assert images
    assert all(small[path] == large[path] for path in images)


def test_second_call_writes_nothing(sample: Path, capfd: pytest.CaptureFixture) -> None:
    before = {path: path.stat().st_mtime_ns for path in sample.parent.rglob('*') if path.suffix != '.lock'}
    for lock in sample.parent.glob('*.lock'):
        lock.unlink()
    capfd.readouterr()
    started = time.perf_counter()
    assert ensure_sample(sample.parent, size=SIZE) == sample
    assert time.perf_counter() - started < 0.5
    # no lock either: a sample in a folder one may only read is as good
    assert {path: path.stat().st_mtime_ns for path in sample.parent.rglob('*')} == before
    assert capfd.readouterr() == ('', '')


def test_says_so_when_it_draws(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    folder = ensure_sample(tmp_path, size=LEAST, workers=1)
    out, err = capfd.readouterr()
    assert out == ''
    assert len(err.splitlines()) == 2
    assert all(str(folder) in line for line in err.splitlines())


@pytest.mark.parametrize('manifest', [None, '', '{"version": 0}'])
def test_an_incomplete_sample_is_replaced(tmp_path: Path, manifest: str | None) -> None:
    folder = sample_root(tmp_path, LEAST)
    partial = folder.with_name(f'{folder.name}.partial-1')
    for half_written in (folder, partial):
        (half_written / 'coco').mkdir(parents=True)
        (half_written / 'coco' / 'stale').touch()
    if manifest is not None:
        (folder / MANIFEST).write_text(manifest)
    assert ensure_sample(tmp_path, size=LEAST, workers=1) == folder
    assert not partial.exists()
    assert not (folder / 'coco' / 'stale').exists()
    assert json.loads((folder / MANIFEST).read_text())['version'] == SAMPLE_VERSION


def test_unwritable_root_is_a_user_error(tmp_path: Path) -> None:
    blocked = tmp_path / 'file' / 'cache'
    blocked.parent.touch()
    with pytest.raises(UserError) as caught:
        ensure_sample(blocked, size=LEAST)
    message = str(caught.value)
    assert str(blocked) in message
    assert CACHE_VARIABLE in message
    assert '\n' not in message


def test_a_failed_try_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    monkeypatch.setattr('convnext_dense.sample_data.writer.write_coco', interrupt)
    with pytest.raises(KeyboardInterrupt):
        ensure_sample(tmp_path, size=LEAST, workers=2)
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []
    assert cv2.getNumThreads() == 2
    cv2.setNumThreads(threads)


def _start(root: Path, size: SampleSize) -> subprocess.Popen:
    """Another process that asks for the sample."""
    package = Path(__file__).parents[2] / 'convnext_dense'
    code = f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from convnext_dense.sample_data.sample import SampleSize, ensure_sample
print('ready', flush=True)
sys.stdin.readline()
print(ensure_sample({str(root)!r}, size={size!r}, workers=2))
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == 'ready\n'
    return process


def _go(process: subprocess.Popen) -> None:
    assert process.stdin is not None
    process.stdin.write('\n')
    process.stdin.flush()


def test_two_processes_at_once_draw_one_sample(tmp_path: Path) -> None:
    pair = [_start(tmp_path, TINY) for _ in range(2)]
    for process in pair:
        _go(process)
    said = [process.communicate(timeout=60) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    folder = sample_root(tmp_path, TINY)
    assert [out.strip() for out, _ in said] == [str(folder)] * 2
    assert sum('drawing' in err for _, err in said) == 1
    assert sum('waiting for another process' in err for _, err in said) == 1
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != '.lock') == [folder.name]


@pytest.mark.skipif(sys.platform != 'linux', reason='looks for the workers in /proc')
def test_workers_end_with_a_killed_parent_and_the_next_run_recovers(tmp_path: Path) -> None:
    process = _start(tmp_path, ENDLESS)
    _go(process)

    def workers() -> list[int]:
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children')
        return [int(pid) for pid in children.read_text().split()]

    deadline = time.monotonic() + 20
    while len(workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    pids = workers()
    assert len(pids) == 2
    process.kill()
    process.wait()

    def alive(pid: int) -> bool:
        try:
            return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
        except OSError:
            return False

    try:
        while any(map(alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(map(alive, pids))
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)
    # the lock went with them, and so does what they left
    folder = sample_root(tmp_path, ENDLESS)
    assert list(tmp_path.glob(f'{folder.name}.partial-*'))
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr('convnext_dense.sample_data.writer.make_folders', interrupt)
        ensure_sample(tmp_path, size=ENDLESS)
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []


@pytest.mark.skipif(sys.platform == 'win32', reason='needs process groups')
def test_control_c_ends_it_cleanly(tmp_path: Path) -> None:
    process = _start(tmp_path, ENDLESS)
    _go(process)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob('*.partial-*/coco/train2017/*.jpg')) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
    _, err = process.communicate(timeout=20)
    assert process.returncode != 0
    assert err.count('Traceback') == 1  # the parent's own: the workers say nothing
    assert err.rstrip().endswith('KeyboardInterrupt')
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []


# ------------------------------------------------------------------ the image folder


def test_image_folder(sample: Path) -> None:
    for split, count in (('train', SIZE.train_portraits), ('val', SIZE.val_portraits)):
        folder = sample / 'classification' / split
        assert sorted(path.name for path in folder.iterdir()) == [thing.name for thing in THINGS]
        for name in folder.iterdir():
            assert len(list(name.glob('*.jpg'))) == count // len(THINGS)
        for path in folder.rglob('*.jpg'):
            height, width, channels = read(path).shape
            assert 72 <= min(height, width) <= max(height, width) <= 88
            assert channels == 3


# ------------------------------------------------------------------ COCO


def test_coco_ids_and_images(sample: Path, coco: COCO) -> None:
    ids = coco.getCatIds()
    assert [category['name'] for category in coco.loadCats(ids)] == [thing.name for thing in THINGS]
    assert ids == sorted(ids)
    assert ids[-1] > len(ids), 'category ids have gaps'
    assert len(coco.imgs) == SIZE.train_scenes
    for image in coco.imgs.values():
        pixels = read(sample / 'coco/train2017' / image['file_name'])
        assert pixels.shape == (image['height'], image['width'], 3)
    annotations = coco.dataset['annotations']
    assert [annotation['id'] for annotation in annotations] == list(range(1, len(annotations) + 1))


def test_boxes_and_areas_agree_with_the_decoded_masks(coco: COCO) -> None:
    outlines_off = []
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        area = annotation['area']
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x, y, width, height = annotation['bbox']
        outlined = isinstance(annotation['segmentation'], list)
        # An outline may miss or add pixels along its length, which grows with the root of the area.
        assert abs(int(mask.sum()) - area) <= (1.2 * np.sqrt(area) if outlined else 0)
        box = np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1])
        off = np.abs(box - [x, y, x + width, y + height]).max()
        if outlined:
            outlines_off.append(off)
        else:
            assert off == 0
    assert np.mean(np.array(outlines_off) <= 1) > 0.97


def test_masks_come_in_all_three_forms(coco: COCO) -> None:
    def form(annotation: dict) -> tuple[int, str]:
        shape = annotation['segmentation']
        return annotation['iscrowd'], 'outline' if isinstance(shape, list) else type(shape['counts']).__name__

    forms = [form(annotation) for annotation in coco.anns.values()]
    assert set(forms) == {(0, 'outline'), (0, 'str'), (1, 'list')}
    outlines = [a['segmentation'] for a in coco.anns.values() if isinstance(a['segmentation'], list)]
    assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for shape in outlines for polygon in shape)
    assert any(len(shape) > 1 for shape in outlines), 'a thing in two parts behind another'


@pytest.mark.parametrize('first', [False, True])
def test_runs_start_with_zeros(first: bool) -> None:
    mask = np.random.default_rng(0).random((5, 7)) < 0.5
    mask[0, 0] = first
    decoded = rle.decode(rle.frPyObjects(_runs(mask), *mask.shape))
    assert (decoded == mask).all()


def test_crowds_are_crowded(coco: COCO) -> None:
    crowds = [annotation for annotation in coco.anns.values() if annotation['iscrowd']]
    assert len(crowds) >= 3
    parts = [cv2.connectedComponents(coco.annToMask(annotation))[0] - 1 for annotation in crowds]
    assert np.median(parts) >= 5


def test_three_ranges_of_scale_and_images_without_anything(coco: COCO) -> None:
    areas = np.array([annotation['area'] for annotation in coco.anns.values() if not annotation['iscrowd']])
    small, large = areas < 32**2, areas >= 96**2
    assert small.mean() > 0.1
    assert large.mean() > 0.02
    assert (~small & ~large).mean() > 0.3
    assert {annotation['category_id'] for annotation in coco.anns.values()} == set(coco.cats)
    assert set(coco.imgs) - {annotation['image_id'] for annotation in coco.anns.values()}


def test_things_hide_one_another(coco: COCO) -> None:
    """Boxes overlap, and the masks in them never do: they are what is visible."""
    overlapping = 0
    for image_id in coco.imgs:
        annotations = coco.loadAnns(coco.getAnnIds(image_id))
        if len(annotations) < 2:
            continue
        total = np.sum([coco.annToMask(annotation) for annotation in annotations], axis=0)
        assert (total > 1).mean() < 4e-3
        boxes = np.array([annotation['bbox'] for annotation in annotations])
        overlapping += int((rle.iou(boxes, boxes, [0] * len(boxes)) > 0.02).sum() - len(boxes)) // 2
    assert overlapping > SIZE.train_scenes / 2


# ------------------------------------------------------------------ ADE20K


def test_ade_layout(sample: Path) -> None:
    names = (sample / 'ade20k/classes.txt').read_text().splitlines()
    assert names == [*REGIONS, *(thing.name for thing in THINGS)]
    seen = np.zeros(256, int)
    for split, count in (('training', SIZE.train_scenes), ('validation', SIZE.val_scenes)):
        images = sorted((sample / 'ade20k/images' / split).iterdir())
        labels = sorted((sample / 'ade20k/annotations' / split).iterdir())
        assert [path.stem for path in images] == [path.stem for path in labels]
        assert len(images) == count
        for image, label in zip(images, labels, strict=True):
            classes = read(label)
            assert classes.dtype == np.uint8
            assert classes.shape == read(image).shape[:2]
            assert (classes == 0).mean() < 0.2
            seen += np.bincount(classes.ravel(), minlength=256)
    assert (seen[: len(names) + 1] > 0).all()
    assert 0.005 < seen[0] / seen.sum() < 0.05, 'some pixels are unlabeled'
    assert not seen[len(names) + 1 :].any()


def test_regions_never_touch(sample: Path) -> None:
    """Where two regions of a landscape meet, the border is unlabeled."""
    for path in (sample / 'ade20k/annotations/training').iterdir():
        classes = read(path)
        for one, other in ((classes[1:], classes[:-1]), (classes[:, 1:], classes[:, :-1])):
            both = (np.minimum(one, other) > 0) & (np.maximum(one, other) <= len(REGIONS))
            assert (one[both] == other[both]).all()


def test_coco_and_ade_show_the_same(sample: Path, coco: COCO) -> None:
    """The pixels of every annotation wear its class in the label map, and no class has pixels without one."""
    names = (sample / 'ade20k/classes.txt').read_text().splitlines()
    for image in coco.imgs.values():
        ade = sample / f'ade20k/images/training/ADE_train_{image["id"]:08d}.jpg'
        assert ade.read_bytes() == (sample / 'coco/train2017' / image['file_name']).read_bytes()
        classes = ade_label(sample, image['id'])
        explained = classes <= len(REGIONS)
        for annotation in coco.loadAnns(coco.getAnnIds(image['id'])):
            mask = coco.annToMask(annotation) > 0
            label = 1 + names.index(coco.cats[annotation['category_id']]['name'])
            assert (classes[mask] == label).mean() > (0.93 if annotation['area'] > 200 else 0.8)
            explained |= cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
        assert explained.mean() > 0.998


# ------------------------------------------------------------------ the drawings


def test_the_images_are_drawn_not_noise(sample: Path) -> None:
    """Light, color and large even areas: neighboring pixels agree, whole images do not."""
    for path in (sample / 'coco/val2017').iterdir():
        image = read(path).astype(np.float32)
        assert np.abs(np.diff(image, axis=1)).mean() < 12
        assert image.std() > 25


def test_what_lies_in_front_hides_what_is_behind() -> None:
    page = Page.blank(20, 20)
    for owner, x in ((1, 25), (2, 35)):
        pen = Pen.fitted(10)
        pen.fill(box(-1, -1, 1, 1), (owner, owner, owner), ink=0)
        assert page.put(pen, x, 30, owner) == pen.mask.sum() > 400
    assert page.owner[30, 20] == 1
    assert page.owner[30, 30] == 2, 'the later one'
    assert ((page.owner == 1).sum() < 250) & ((page.owner == 2).sum() > 400)
    assert (page.color == page.owner[..., None]).all(), 'the mask is what is seen'


@pytest.mark.parametrize('thing', THINGS, ids=lambda thing: thing.name)
def test_a_drawing_fills_its_frame_and_leaves_the_rest(thing: Thing) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        pen = Pen.fitted(40)
        thing.draw(pen, thing.color(rng), rng)
        rows, cols = np.flatnonzero(pen.mask.any(1)), np.flatnonzero(pen.mask.any(0))
        assert max(np.ptp(rows), np.ptp(cols)) > 1.7 * 40, 'it fills its frame'
        height, width = pen.mask.shape
        assert rows[0] > 0
        assert cols[0] > 0
        assert rows[-1] < height - 1
        assert cols[-1] < width - 1
        assert set(np.unique(pen.mask)) == {0, 1}
