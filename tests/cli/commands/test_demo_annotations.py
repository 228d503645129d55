"""Predictions as annotations in the formats of other programs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.results import Panoptic
from convnext_dense.results.colors import palette
from convnext_dense.tasks import TASKS
from tests.helpers.demo_inputs import film, image, names
from tests.helpers.small_models import CLASSES


def yolo_lines(file: str) -> list[list[float]]:
    return [[float(number) for number in line.split()] for line in Path(file).read_text().splitlines()]


def test_predictions_as_yolo_files(demo, predictors, capsys):
    image('in/a b.png')
    image('in/deep/a b.jpg', 1, (50, 80))
    for flags, columns in (((), 0), (('--confidence',), 1)):
        out = f'out{columns}'
        assert demo('detection', 'in', '--format', 'yolo', '--out-dir', out, '--score', 0.6, *flags) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith('2 images, ') and f'written to {out}; 2 images are hard links' in line
        assert names(out) == ['classes.txt', 'data.yaml', 'images', 'labels']
        for path, label, (width, height) in (
            ('in/a b.png', 'a b', (64, 48)),
            ('in/deep/a b.jpg', 'deep_a b', (50, 80)),
        ):
            found = predictors['detection'](path).above(0.6)
            lines = yolo_lines(f'{out}/labels/{label}.txt')
            assert [line[0] for line in lines] == found.labels.tolist() and lines
            for own, mask, score in zip(lines, found.masks, found.scores, strict=True):
                ring = np.reshape(own[1 : len(own) - columns], (-1, 2)) * (width, height)
                again = rle.decode(rle.frPyObjects([ring.ravel().tolist()], height, width))[..., 0].astype(bool)
                assert (again & mask).sum() >= 0.99 * (again | mask).sum()
                assert not columns or own[-1] == pytest.approx(score, abs=1e-5)
    assert Path('out0/classes.txt').read_text().splitlines() == CLASSES


def test_predictions_as_coco_and_labelme_files(demo, predictors):
    image('a.png')
    found = predictors['detection']('a.png').above(0.6)
    assert demo('detection', 'a.png', '--format', 'coco', '--out-dir', 'coco', '--score', 0.6) == 0
    truth = COCO('coco/annotations/instances_default.json')
    entries = truth.loadAnns(truth.getAnnIds())
    assert [one['category_id'] - 1 for one in entries] == found.labels.tolist()
    assert [one['score'] for one in entries] == pytest.approx(found.scores.tolist())
    assert [one['name'] for one in truth.loadCats(truth.getCatIds())] == CLASSES
    for one, mask in zip(entries, found.masks, strict=True):
        assert (truth.annToMask(one).astype(bool) & mask).sum() >= 0.99 * mask.sum()
    assert (
        demo('detection', 'a.png', '--format', 'labelme', '--out-dir', 'me', '--score', 0.6, '--images', 'none') == 0
    )
    assert names('me') == ['a.json', 'labels.txt']
    content = json.loads(Path('me/a.json').read_text())
    assert Path('me', content['imagePath']).samefile('a.png')
    assert {one['label'] for one in content['shapes']} == {CLASSES[k] for k in found.labels}
    scores = {one['description'] for one in content['shapes']}
    assert scores == {f'score {score:.4f}' for score in found.scores}


def test_a_segmentation_as_label_maps_and_as_objects(demo, predictors):
    image('a.png')
    labels = predictors['segmentation']('a.png').labels
    assert demo('segmentation', 'a.png', '--format', 'masks', '--out-dir', 'masks') == 0
    assert np.array_equal(Image.open('masks/annotations/a.png'), labels + 1)
    assert Path('masks/classes.txt').read_text().splitlines() == ['unlabeled', *CLASSES]
    assert demo('segmentation', 'a.png', '--format', 'coco', '--out-dir', 'coco') == 0
    truth = COCO('coco/annotations/instances_default.json')
    drawn = np.full(labels.shape, 255)
    for one in truth.loadAnns(truth.getAnnIds()):
        drawn[truth.annToMask(one) > 0] = one['category_id'] - 1
    assert (drawn == labels).mean() > 0.99


def test_formats_that_do_not_fit_are_refused_in_one_line(demo, errors, predictors):
    image('a.png')
    image('in/b.png')
    Path('odd.img').write_bytes(Path('a.png').read_bytes())
    film('film.avi')
    for task, arguments, message in (
        (
            'detection',
            ['in', '--format', 'voc', '--out-dir', 'in/out'],
            'in/out is in the folder that is read: ',
        ),
        ('detection', ['odd.img', '--format', 'voc'], 'odd.img has no suffix of images in data sets (.jpg, '),
        ('classification', ['a.png', '--format', 'yolo'], '--format is for objects and label maps, not for classif'),
        ('detection', ['a.png', 'film.avi', '--format', 'yolo'], '--format is for images, and film.avi is a video: '),
        ('detection', ['a.png', '--format', 'voc', '--confidence'], '--confidence is a column of YOLO files'),
        ('detection', ['a.png', '--images', 'copy'], '--images copy is for annotations: give --format, or leave it'),
        (
            'detection',
            ['a.png', '--format', 'voc', '--out-dir', '.'],
            '. is not empty: name a new folder, or empty it',
        ),
        (
            'detection',
            ['a.png', '--format', 'voc', '--annotations', 'a.png'],
            '--annotations is for results.json, and',
        ),
    ):
        assert demo(task, *arguments) == 2
        (line,) = errors()
        assert line.startswith(f'error: {message}')
    assert not Path('demo_out').exists() or not names()


def test_a_detector_without_masks_gives_boxes_but_no_label_maps(demo, errors, predictors, monkeypatch):
    image('a.png')
    predict = predictors['detection'].batch

    def without_masks(*arguments):
        yield from (replace(result, masks=None) for result in predict(*arguments))

    monkeypatch.setattr(predictors['detection'], 'batch', without_masks)
    assert demo('detection', 'a.png', '--format', 'yolo', '--score', 0.6) == 0
    found = predictors['detection']('a.png').above(0.6)
    own = np.array(yolo_lines('demo_out/labels/a.txt'))[:, 1:] * (64, 48, 64, 48)
    corners = np.hstack([own[:, :2] - own[:, 2:] / 2, own[:, :2] + own[:, 2:] / 2])
    np.testing.assert_allclose(corners, found.boxes, atol=0.01)
    assert demo('detection', 'a.png', '--format', 'masks', '--out-dir', 'masks') == 2
    assert errors() == ['error: the detector predicts no masks to make label maps of: take another --format']
    assert not Path('masks').exists() or not names('masks')


def test_an_interruption_keeps_the_images_so_far(demo, predictors, monkeypatch, errors):
    image('in/a.png')
    image('in/b.png', 1)
    Path('in/0.png').write_bytes(b'')
    predict = predictors['detection'].batch

    def interrupted(*arguments):
        yield next(predict(*arguments))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predictors['detection'], 'batch', interrupted)
        assert demo('detection', 'in/a.png', 'in/b.png', '--format', 'voc') == 130
    assert names('demo_out/Annotations') == ['a.xml'] and names('demo_out/JPEGImages') == ['a.png']
    assert demo('detection', 'in', '--format', 'voc', '--out-dir', 'all') == 1
    assert names('all/Annotations') == ['a.xml', 'b.xml']
    (line,) = errors()
    assert line.startswith('error: bad image in/0.png')


def test_a_score_that_no_prediction_has_is_named(demo, capsys):
    image('a.png')
    assert demo('detection', 'a.png', '--format', 'coco', '--score', 1.0) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith('1 image, 0 annotations written to demo_out')
    assert last == 'nothing has a score of 1 or more in these images: take a lower one with --score'


def test_where_nothing_is_found_at_all_no_lower_score_is_asked_for(demo, predictors, monkeypatch, capsys):
    image('a.png')
    predict = predictors['detection'].batch
    monkeypatch.setattr(predictors['detection'], 'batch', lambda *a: (one.above(1.1) for one in predict(*a)))
    for flags in (['--format', 'coco', '--out-dir', 'coco'], []):
        assert demo('detection', 'a.png', '--score', 0, *flags) == 0
        assert capsys.readouterr().out.splitlines()[-1] == 'nothing is found in these images'


def test_segments_have_no_scores_to_lower(demo, predictors, monkeypatch, capsys):
    image('a.png')
    nothing = Panoptic.from_map('a.png', np.zeros((48, 64), int), {}, CLASSES, palette(len(CLASSES)), 1)
    monkeypatch.setattr(predictors['detection'], 'task', TASKS['panoptic'])
    monkeypatch.setattr(predictors['detection'], 'batch', lambda *_: iter([nothing]))
    assert demo('detection', 'a.png', '--format', 'coco') == 0
    assert capsys.readouterr().out.splitlines()[-1] == 'nothing is found in these images'
