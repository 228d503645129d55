"""Records that are written and read: exact, compact, and refused if they are damaged."""

import json
import zipfile

import numpy as np
import pytest

from convnext_dense.diagnosis.average_precision import average_precision_measure
from convnext_dense.diagnosis.classification import Predictions
from convnext_dense.diagnosis.matching import SIZES, match_objects
from convnext_dense.diagnosis.record_file import KINDS, RunInfo, read_records, write_records
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedImage, PanopticImage
from convnext_dense.diagnosis.segmentation import count_image, measure
from convnext_dense.errors import UserError
from tests.helpers.detected_images import detected_image, overlaps_of, random_images

CLASSES = ['cat', 'dog', 'größe']
INFO = RunInfo('detection', CLASSES, None, '/data/pets', 'work_dirs/pets/best.pth', 'ema')


def write_and_read(folder, records, info=INFO, masks=False):
    write_records(folder / 'records.npz', info, records, masks)
    return read_records(folder / 'records.npz')


def test_classified_images(tmp_path):
    rng = np.random.default_rng(0)
    records = [
        ClassifiedImage(f'ä/{i}.jpg', rng.random(3).astype(np.float32), i % 3 if i else NO_LABEL) for i in range(9)
    ]
    run = write_and_read(tmp_path, records, INFO._replace(task='classification'))
    assert run.info == INFO._replace(task='classification') and run.mask_overlaps is None
    for one, other in zip(records, run.records, strict=True):
        assert (one.path, one.label) == (other.path, other.label)
        assert other.scores.dtype == np.float32 and np.array_equal(one.scores, other.scores)


def test_of_many_classes_the_highest_scores_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.full(2000, 0.05), 300).astype(np.float32)
    labels = np.where(rng.random(300) < 0.5, scores.argmax(axis=1), rng.integers(0, 2000, 300)).tolist()
    records = [ClassifiedImage(f'{i}.jpg', s, k) for i, (s, k) in enumerate(zip(scores, labels, strict=True))]
    names = [str(k) for k in range(2000)]
    run = write_and_read(tmp_path, records, INFO._replace(classes=names))
    before, after = (Predictions.of(images, 2000) for images in (records, run.records))
    for name in ('labels', 'predicted', 'confidence', 'true_scores'):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    assert np.array_equal(before.measure(names).values(), after.measure(names).values(), equal_nan=True)
    assert (tmp_path / 'records.npz').stat().st_size < 300 * 21 * 9


@pytest.mark.parametrize('masks', [False, True])
def test_detected_images(tmp_path, masks):
    records = [*random_images(20, 3, seed=3, masks=masks), detected_image(path='empty.jpg')]
    records = [one for one in records if not masks or one.masks is not None]
    run = write_and_read(tmp_path, records, masks=masks)
    for one, other in zip(records, run.records, strict=True):
        assert one.path == other.path and one.same_truth(other) and other.same_truth(one)
        for name in ('boxes', 'scores', 'labels'):
            assert getattr(one, name).dtype == getattr(other, name).dtype
            assert np.array_equal(getattr(one, name), getattr(other, name))
    overlaps = run.mask_overlaps if masks else overlaps_of(run.records)
    prefix = 'mask' if masks else 'box'
    for within in ({}, {'within': SIZES['small']}):
        first, second = (
            average_precision_measure(match_objects(images, own, 3, masks=masks, **within), CLASSES, prefix).values()
            for images, own in ((records, overlaps_of(records, masks)), (run.records, overlaps))
        )
        assert np.array_equal(first, second, equal_nan=True) and first[0] > 1


def label_maps(number: int):
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 3, (20, 30)).astype(np.uint8), rng.integers(0, 4, (20, 30))) for _ in range(number)]


@pytest.mark.parametrize('boundaries', [False, True])
def test_segmented_images(tmp_path, boundaries):
    records = [count_image(f'{i}', t, p, 3, boundaries) for i, (t, p) in enumerate(label_maps(5))]
    run = write_and_read(tmp_path, records)
    assert np.array_equal(measure(records, CLASSES).values(), measure(run.records, CLASSES).values())
    for one, other in zip(records, run.records, strict=True):
        assert np.array_equal(one.pixels.matrix(), other.pixels.matrix()) and one.same_truth(other)
        assert np.array_equal(one.boundaries, other.boundaries) if boundaries else other.boundaries is None


def test_panoptic_images(tmp_path):
    pixels = [count_image(f'{i}', t, p, 3).pixels for i, (t, p) in enumerate(label_maps(3))]
    tallies = [{0: (1 / 3, 1, 0, 2), 2: (0.0, 0, 4, 0)}, {}, {1: (0.1 + 0.2, 2, 1, 0)}]
    records = [PanopticImage(f'{i}', p, tallies=t) for i, (p, t) in enumerate(zip(pixels, tallies, strict=True))]
    run = write_and_read(tmp_path, records, INFO._replace(things=2))
    assert [image.tallies for image in run.records] == tallies and run.info.things == 2
    assert all(type(image) is PanopticImage for image in run.records)
    assert all(one.same_truth(other) for one, other in zip(records, run.records, strict=True))


@pytest.mark.parametrize('number', [0, 1])
def test_few_images(tmp_path, number):
    for records in (
        [ClassifiedImage('a', np.ones(3, np.float32) / 3, 0)][:number],
        [detected_image()][:number],
        [count_image('a', *label_maps(1)[0], 3)][:number],
    ):
        assert len(write_and_read(tmp_path, records).records) == number


def test_no_pickle_and_no_other_files(tmp_path):
    write_and_read(tmp_path, random_images(3, 3, seed=0))
    assert [file.name for file in tmp_path.iterdir()] == ['records.npz']
    with np.load(tmp_path / 'records.npz', allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays['header'].tobytes()) | changes.pop('header', {})
    arrays['header'] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **(arrays | changes))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda p: p.unlink(), ': no such file: diagnose the run again'),
        (lambda p: p.write_bytes(p.read_bytes()[:400]), 'cannot be read as records of a run (File is not a zip file)'),
        (lambda p: p.write_bytes(b''), 'cannot be read as records of a run (No data left in file)'),
        (lambda p: p.write_text('hello'), 'cannot be read as records of a run'),
        (lambda p: np.savez(p, a=np.zeros(3)), 'cannot be read as records of a run'),
        (
            lambda p: rewritten(p, header={'version': 7}),
            'has records of version 7, and this program reads version 1: diagnose the run again with this one',
        ),
        (lambda p: rewritten(p, header={'format': 'x'}), 'has no records of a run: diagnose the run again'),
        (lambda p: rewritten(p, header={'kind': 'x'}), "cannot be read as records of a run (kind 'x')"),
        (lambda p: rewritten(p, scores=np.zeros(3, np.float32)), 'cannot be read as records of a run (3 values'),
        (lambda p: rewritten(p, sizes=np.zeros((1, 2), np.int32)), 'cannot be read as records of a run (parts of'),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    path = tmp_path / 'records.npz'
    write_records(path, INFO, random_images(5, 3, seed=0))
    change(path)
    with pytest.raises(UserError) as error:
        read_records(path)
    assert str(error.value).startswith(str(path)) and message in str(error.value) and '\n' not in str(error.value)


def test_bytes_that_changed_are_noticed(tmp_path):
    path = tmp_path / 'records.npz'
    write_records(path, INFO, random_images(50, 3, seed=0))
    with zipfile.ZipFile(path) as file:
        place = file.getinfo('boxes.npy').header_offset + 200
    content = bytearray(path.read_bytes())
    content[place : place + 8] = bytes(8)
    path.write_bytes(content)
    with pytest.raises(UserError, match='cannot be read as records of a run'):
        read_records(path)


def test_records_of_different_kinds_are_a_bug(tmp_path):
    mixed = [detected_image(), ClassifiedImage('a', np.ones(3, np.float32), 0)]
    with pytest.raises(ValueError, match='records of different kinds'):
        write_records(tmp_path / 'records.npz', INFO, mixed)
    assert set(KINDS) == {'classified', 'detected', 'segmented', 'panoptic'}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match='cannot be written'):
        write_records(tmp_path / 'no' / 'records.npz', INFO, [])
