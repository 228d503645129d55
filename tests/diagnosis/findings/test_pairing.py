import dataclasses

import numpy as np
import pytest

from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.findings.pairing import pair_runs
from convnext_dense.diagnosis.record_file import RunInfo, RunRecords
from convnext_dense.diagnosis.records import ClassifiedImage, PanopticImage, SegmentedImage
from convnext_dense.errors import UserError
from tests.helpers.detected_images import overlaps_of, random_images

INFO = RunInfo('classification', ['cat', 'dog'], None, 'data', 'best.pth', 'raw')
NAMES = ('work_dirs/a', 'work_dirs/b')


def classified(paths: str | list[str], label: int = 0, **info) -> RunRecords:
    records = [ClassifiedImage(path, np.array([0.2, 0.8], np.float32), label) for path in paths]
    return RunRecords(INFO._replace(**info), records)


def test_images_are_in_the_order_of_the_first_run():
    runs = pair_runs(classified('cab'), classified('abc'), NAMES)
    assert [[one.path for one in own] for own in runs.records] == [list('cab')] * 2
    assert runs.kind is ClassifiedImage and runs.classes == ['cat', 'dog'] and runs.notes == []


def test_data_that_was_moved():
    before, after = classified(['/a/x/1.jpg', '/a/y/2.jpg']), classified(['/mnt/b/y/2.jpg', '/mnt/b/x/1.jpg'])
    runs = pair_runs(before, after, NAMES)
    assert [one.path for one in runs.records[1]] == ['x/1.jpg', 'y/2.jpg']
    assert runs.notes == ['Images are the same if their paths within /a and /mnt/b are.']
    with pytest.raises(UserError, match=r'^/a/x/1.jpg: not in the second run, as 2 of 2 images'):
        pair_runs(before, classified(['/mnt/b/y/3.jpg', '/mnt/b/x/1.jpg']), NAMES)


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        (
            classified('ab', classes=['cat', 'cow']),
            'work_dirs/a has classes that work_dirs/b has not (dog): compare runs',
        ),
        (classified('ab', classes=['cat', 'dog', 'cow']), 'work_dirs/b has classes that work_dirs/a has not (cow): '),
        (
            classified('ab', classes=['dog', 'cat']),
            'the classes are in another order: number 0 is cat in work_dirs/a, and dog in work_dirs/b: compare runs '
            'that were trained on the same classes, in the same order',
        ),
        (classified('ab', things=1), 'None of the classes are things in work_dirs/a, and 1 in work_dirs/b: '),
        (classified('abc'), 'c: not in the first run, as 1 of 3 images of the other one: test both on the same data'),
        (classified('ab', 1), 'a: the ground truth of the two runs differs, as that of 2 of 2 images: test both on'),
        (classified(''), 'work_dirs/b was tested on no image: diagnose it on data that can be read'),
        (
            RunRecords(INFO, random_images(2, 2, seed=0)),
            'work_dirs/a has classified images and work_dirs/b detected objects: compare runs of the same task',
        ),
    ],
)
def test_runs_that_cannot_be_compared(other, message):
    with pytest.raises(UserError) as error:
        pair_runs(classified('ab'), other, NAMES)
    assert str(error.value).startswith(message) and '\n' not in str(error.value)


def test_masks_of_one_run_alone_are_left_out():
    images = random_images(6, 2, seed=0, masks=True)
    with_masks = RunRecords(INFO, images, overlaps_of(images, masks=True))
    runs = pair_runs(with_masks, RunRecords(INFO, images[::-1], overlaps_of(images[::-1], masks=True)), NAMES)
    assert all(np.array_equal(one, other) for one, other in zip(*runs.overlaps, strict=True)) and runs.notes == []
    runs = pair_runs(with_masks, RunRecords(INFO, images), NAMES)
    assert runs.overlaps is None and runs.notes == ['Boxes are compared, since only one of the runs has masks.']


def test_boundaries_of_one_run_alone_are_left_out():
    pixels = Confusion.count(2, np.array([0, 1]), np.array([0, 0]))
    plain, measured = SegmentedImage('a', pixels), SegmentedImage('a', pixels, np.ones((2, 4), np.int64))
    runs = pair_runs(RunRecords(INFO, [measured]), RunRecords(INFO._replace(weights='ema'), [plain]), NAMES)
    assert runs.records[0][0].boundaries is None
    assert runs.notes == [
        'Boundaries are left out, since only one of the runs has them.',
        'The first run has the raw weights, the second the ema ones.',
    ]
    panoptic = PanopticImage('a', pixels, tallies={})
    with pytest.raises(UserError, match='work_dirs/a has segmented pixels and work_dirs/b panoptic segments'):
        pair_runs(RunRecords(INFO, [plain]), RunRecords(INFO, [panoptic]), NAMES)
    both = pair_runs(RunRecords(INFO, [measured]), RunRecords(INFO, [dataclasses.replace(measured)]), NAMES)
    assert both.records[0][0].boundaries is not None
