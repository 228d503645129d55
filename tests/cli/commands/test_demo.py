"""The demo, from the command line to the files it leaves."""

import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands import demo as command
from convnext_dense.data.image_files import EXTENSIONS
from convnext_dense.inference import files as demo_files
from convnext_dense.inference import predictor as inference
from convnext_dense.results import Segmentation
from tests.helpers.demo_inputs import IDS, film, image, names
from tests.helpers.small_models import CLASSES, CONFIGS


def roughly(value):
    """Equal to what differs from it by rounding, as results of a batch may from those of one image."""
    if isinstance(value, dict):
        return {key: roughly(item) for key, item in value.items()}
    if isinstance(value, list):
        return [roughly(item) for item in value]
    return pytest.approx(value, abs=1e-5) if isinstance(value, float) else value


def test_classification(demo, predictors, capsys):
    image('in/a.jpg')
    image('in/deep/down/b.PNG', 1, (30, 90))
    assert demo('classification', 'in', '--batch-size', 2) == 0
    assert capsys.readouterr().out == '2 of 2 inputs are drawn in demo_out\n'
    assert names() == ['a.jpg', 'b.png', 'results.json']
    entries = json.loads(Path('demo_out/results.json').read_text())
    expected = [predictors['classification'](path) for path in ('in/a.jpg', 'in/deep/down/b.PNG')]
    assert entries == roughly([result.as_json() for result in expected])
    assert np.array_equal(np.asarray(Image.open('demo_out/b.png')), expected[1].draw())
    drawn = np.asarray(Image.open('demo_out/a.jpg')).astype(int)
    assert np.abs(drawn - expected[0].draw()).mean() < 2


def test_detection(demo, predictors):
    image('a.png')
    image('b.png', 1, (50, 80))
    assert demo('detection', 'b.png', 'a.png', '--out-dir', 'out', '--score', 0.6) == 0
    entries = json.loads(Path('out/results.json').read_text())
    expected = []
    for number, (path, size) in enumerate((('b.png', [80, 50]), ('a.png', [48, 64])), start=1):
        found = predictors['detection'](path)
        good = found.scores >= 0.6
        assert 0 < good.sum() < len(good)
        for box, score, label, mask in zip(
            found.boxes[good], found.scores[good], found.labels[good], found.masks[good], strict=True
        ):
            entry = dict(image_id=number, path=path, category_id=IDS[label], category=CLASSES[label])
            entry['score'] = pytest.approx(score)
            entry['bbox'] = pytest.approx([box[0], box[1], box[2] - box[0], box[3] - box[1]])
            expected.append((entry, mask, size))
        drawn = np.asarray(Image.open(f'out/{path}'))
        assert np.array_equal(drawn, found.above(0.6).draw())
    for entry, (numbers, mask, size) in zip(entries, expected, strict=True):
        segmentation = entry.pop('segmentation')
        assert entry == numbers
        assert segmentation['size'] == size
        assert np.array_equal(rle.decode(segmentation), mask)


def test_detections_on_a_folder_are_coco_results_of_the_images_beside_them(demo):
    image('in/b.png', 1, (50, 80))
    image('in/a.png')
    Path('in/broken.png').write_bytes(b'')
    assert demo('detection', 'in', '--score', 0) == 1
    truth = COCO('demo_out/images.json')
    results = truth.loadRes('demo_out/results.json')
    assert [(i['id'], i['file_name'], i['height'], i['width']) for i in truth.dataset['images']] == [
        (1, 'in/a.png', 48, 64),
        (2, 'in/b.png', 80, 50),
    ]
    assert {c['id']: c['name'] for c in truth.dataset['categories']} == dict(zip(IDS, CLASSES, strict=True))
    assert set(results.imgToAnns) == {1, 2}
    for path, number in (('in/a.png', 1), ('in/b.png', 2)):
        assert {entry['path'] for entry in results.imgToAnns[number]} == {path}


def test_detections_have_the_ids_of_an_annotation_file(demo, errors):
    image('val/x/1.png')
    image('val/y/1.png', 1)
    entries = [
        {'id': 7, 'file_name': 'x/1.png'},
        {'id': 20000000000, 'file_name': 'y\\1.png'},
        {'id': 3, 'file_name': 'z.png'},
    ]
    sizes = dict(height=48, width=64)
    categories = [{'id': number, 'name': name} for number, name in zip(IDS, CLASSES, strict=True)]
    content = {'images': [{**entry, **sizes} for entry in entries], 'categories': categories}
    Path('info.json').write_text(json.dumps(content))
    assert demo('detection', 'val', '--score', 0, '--annotations', 'info.json') == 0
    assert 'images.json' not in names()
    results = COCO('info.json').loadRes('demo_out/results.json')
    assert {path for entry in results.imgToAnns[7] for path in [entry['path']]} == {'val/x/1.png'}
    assert {path for entry in results.imgToAnns[20000000000] for path in [entry['path']]} == {'val/y/1.png'}
    image('val/2.png')
    assert demo('detection', 'val', '--annotations', 'info.json') == 2
    assert errors()[-1].startswith(
        'error: 1 of 3 images are not in info.json, or not once (val/2.png): leave them out'
    )
    assert demo('detection', 'val', '--annotations', 'no.json') == 2
    assert errors()[-1] == 'error: --annotations no.json: no such file'
    assert demo('classification', 'val', '--annotations', 'info.json') == 2
    assert errors()[-1].startswith('error: --annotations is for detectors')


def test_stray_files_are_left_out_and_counted(demo, capsys):
    for path in ('in/a.png', 'in/.ipynb_checkpoints/a-checkpoint.png', 'in/@eaDir/a.png', 'in/._a.png'):
        image(path)
    for number in range(11):
        image(f'in/deep/{number}.png', number)
    Path('in/deep/up').symlink_to('..')
    assert demo('classification', 'in') == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith('4 files and folders left out, which are hidden, of another program') and 'up' in first
    assert last == '12 of 12 inputs are drawn in demo_out'
    assert demo('classification', 'in/**/*.png', '--out-dir', 'other') == 0
    assert capsys.readouterr().out.splitlines()[-1] == '12 of 12 inputs are drawn in other'
    assert demo('classification', 'in/@eaDir/*.png', '--out-dir', 'asked') == 0
    assert capsys.readouterr().out == '1 of 1 inputs are drawn in asked\n'


def test_a_score_that_nothing_has_is_named(demo, capsys):
    image('a.png')
    image('b.png', 1)
    for score, said in ((1.0, 1), (0.0, 0)):
        assert demo('detection', 'a.png', 'b.png', '--score', score) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == '2 of 2 inputs are drawn in demo_out' and len(lines) == 1 + said
        if said:
            assert lines[1] == 'nothing has a score of 1 or more in these images: take a lower one with --score'
    assert demo('segmentation', 'a.png') == 0
    assert capsys.readouterr().out.count('\n') == 1


@pytest.mark.parametrize('task', ['segmentation', 'classification'])
def test_a_score_is_refused_where_results_have_none(task, demo, errors):
    image('a.png')
    assert demo(task, 'a.png', '--score', 0.4) == 2
    (line,) = errors()
    said = f'--score 0.4 leaves out detections, and the results of a model for {task} have no scores: leave it out'
    assert line == f'error: {said}'
    assert not Path('demo_out').exists()


def test_segmentation(demo, predictors):
    image('a.png')
    assert demo('segmentation', 'a.png') == 0
    assert names() == ['a.png', 'a_labels.png', 'results.json']
    result = predictors['segmentation']('a.png')
    assert isinstance(result, Segmentation)
    labels = Image.open('demo_out/a_labels.png')
    assert np.array_equal(np.asarray(labels), result.labels + 1)  # the masks' numbers: 0 is unlabeled, as in ADE20K
    assert np.array_equal(np.asarray(labels.convert('RGB')), result.colors[result.labels])
    assert np.array_equal(np.asarray(Image.open('demo_out/a.png')), result.draw())
    (entry,) = json.loads(Path('demo_out/results.json').read_text())
    assert entry['size'] == [48, 64]
    assert all(CLASSES[one['label'] - 1] == one['name'] for one in entry['classes'])
    areas = {one['name']: one['pixels'] for one in entry['classes']}
    assert areas == {name: (result.labels == k).sum() for k, name in enumerate(CLASSES) if (result.labels == k).any()}


@pytest.mark.parametrize('task', CONFIGS)
def test_a_video(demo, predictors, task):
    film('film.avi')
    assert demo(task, 'film.avi', '--batch-size', 2) == 0
    assert names() == ['film.json', 'film.mp4']
    entries = json.loads(Path('demo_out/film.json').read_text())
    assert [(entry['frame'], entry['seconds']) for entry in entries] == [(i, i / 8) for i in range(5)]
    source, drawn = cv2.VideoCapture('film.avi'), cv2.VideoCapture('demo_out/film.mp4')
    assert drawn.get(cv2.CAP_PROP_FPS) == 8
    for entry in entries:
        image = np.ascontiguousarray(source.read()[1][:, :, ::-1])
        result = predictors[task](image)
        if task == 'detection':
            result = result.above(0.3)
            scores = [one['score'] for one in result.as_json()]
            assert [one['score'] for one in entry['result']] == roughly(scores)
            assert {(one['image_id'], one['path']) for one in entry['result']} == {(entry['frame'], 'film.avi')}
        else:
            assert entry['result'] == roughly({**result.as_json(), 'path': 'film.avi'})
        good, frame = drawn.read()
        assert good
        expected = result.draw(image=image, **({'legend_rows': 3} if task == 'segmentation' else {}))
        assert np.abs(frame[: len(expected), :, ::-1].astype(int) - expected).mean() < 15  # the codec's loss
    assert not drawn.read()[0]


def test_outputs_of_equal_names_have_names_of_their_own(demo):
    sources = ['day1/a.jpg', 'day2/a.jpg', 'x/day2/a.jpg', 'day1/a.png', 'results.jpg', 'b.png', 'b_labels.png']
    for seed, path in enumerate(sources):
        image(path, seed)
    assert demo('segmentation', *sources, 'day1') == 0  # day1 again: each image is drawn once
    assert names() == sorted(
        [
            *('a.jpg', 'a_labels.png', 'day2_a.jpg', 'day2_a_labels.png', 'day2_a_2.jpg', 'day2_a_2_labels.png'),
            *('day1_a.png', 'day1_a_labels.png', 'results.jpg', 'results_labels.png', 'results.json'),
            *('b.png', 'b_labels.png', f'{Path.cwd().name}_b_labels.png', f'{Path.cwd().name}_b_labels_labels.png'),
        ]
    )
    entries = json.loads(Path('demo_out/results.json').read_text())
    assert [entry['path'] for entry in entries] == sources
    outputs = demo_files.name_outputs([Path('results.avi'), Path('A.jpg'), Path('a.JPG')], Path('out'))
    stem = Path.cwd().name
    assert [[file.name for file in of] for of in outputs.values()] == [
        [f'{stem}_results.mp4', f'{stem}_results.json'],
        ['A.jpg'],
        [f'{stem}_a.jpg'],
    ]


def test_inputs_are_never_written(demo):
    before = {path: path.read_bytes() for path in (image('in/a.jpg'), image('in/a_labels.png', 1))}
    assert demo('segmentation', 'in', '--out-dir', 'in') == 0
    assert {path: path.read_bytes() for path in before} == before
    assert len(names('in')) == 2 + 4 + 1


def test_what_a_demo_drew_is_no_input_of_the_next(demo):
    image('a.png')
    for _ in range(2):
        assert demo('classification', '.') == 0
        assert names() == ['a.png', 'results.json']


def test_patterns(demo):
    for seed, path in enumerate(('in/a.jpg', 'in/b.png', 'in/deep/c.png', 'in/d[1].png')):
        image(path, seed)
    assert demo('classification', 'in/**/*.png') == 0
    assert names() == ['b.png', 'c.png', 'd[1].png', 'results.json']
    assert demo('classification', 'in/d[1].png', '--out-dir', 'other') == 0
    assert names('other') == ['d[1].png', 'results.json']


def test_files_that_cannot_be_read_are_named_and_passed_over(demo, errors):
    good, cut = image('in/a.jpg'), image('in/b.jpg', 1)
    cut.write_bytes(cut.read_bytes()[:-300])
    Path('in/c.png').write_text('no image')
    Path('d.mp4').write_text('no video')
    assert demo('classification', 'in', 'd.mp4', '--batch-size', 4) == 1
    lines = errors()
    assert [line.split(' (')[0] for line in lines] == [
        *('error: bad image in/b.jpg', 'error: bad image in/c.png', 'error: bad video d.mp4')
    ]
    assert names() == ['a.jpg', 'results.json']
    assert [entry['path'] for entry in json.loads(Path('demo_out/results.json').read_text())] == [str(good)]


def test_inputs_that_are_not_there_are_named_and_counted_while_the_rest_is_drawn(demo, capsys):
    image('a.png')
    Path('empty').mkdir()
    absent = ['absent.jpg', 'https://example.org/b.jpg', 'empty', 'empty/*.png']
    assert demo('classification', *absent[:2], 'a.png', *absent[2:]) == 1
    said = capsys.readouterr()
    assert [line for line in said.err.splitlines() if line.startswith('error: ')] == [
        'error: no image, folder or video at absent.jpg: check the path',
        'error: https://example.org/b.jpg is a URL: download the file and give its path',
        f'error: folder empty holds no images ({", ".join(EXTENSIONS)}): name another',
        'error: no file fits empty/*.png: check the pattern',
    ]
    assert said.out == '1 of 5 inputs are drawn in demo_out\n'
    assert names() == ['a.png', 'results.json']


def test_a_video_that_breaks_off_is_drawn_and_named(demo, errors):
    whole = film('film.avi', frames=20)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert demo('classification', 'film.avi') == 1
    (line,) = errors()
    assert 'bad video film.avi (it breaks off after' in line and 'of 20 frames)' in line
    assert 5 < len(json.loads(Path('demo_out/film.json').read_text())) < 15


def test_bad_input_is_said_before_the_model_is_loaded(demo, errors, monkeypatch):
    monkeypatch.setattr(command, 'load', lambda *_, **__: 1 / 0)
    image('a.png')
    Path('empty').mkdir()
    Path('file').touch()
    for arguments, said in {
        ('absent.jpg',): 'no image, folder or video at absent.jpg',
        ('empty',): 'folder empty holds no images (.jpg',
        ('absent.jpg', 'empty'): 'no image, folder or video at absent.jpg',
        ('empty/*.jpg',): 'no file fits empty/*.jpg',
        ('a.png', '--batch-size', '0'): '--batch-size 0',
        ('a.png', '--score', '30'): '--score 30.0: take a number from 0 to 1',
        ('a.png', '--out-dir', 'file/out'): 'folder file/out cannot be written',
        ('a.png', '--out-dir', 'file'): 'folder file cannot be written',
    }.items():
        assert demo('detection', *arguments) == 2
        (line,) = errors()
        assert line.startswith(f'error: {said}')
    assert not Path('demo_out').exists()


def test_an_interrupted_demo_leaves_whole_files(demo, monkeypatch):
    for seed in range(4):
        image(f'in/{seed}.jpg', seed)
    film('film.avi')

    def interrupt(self, file, *args, save=Image.Image.save, **kwargs):
        if '2.jpg' in str(file):
            Path(file).write_bytes(b'half')
            raise KeyboardInterrupt
        save(self, file, *args, **kwargs)

    monkeypatch.setattr(Image.Image, 'save', interrupt)
    assert demo('classification', 'in', 'film.avi') == 130
    assert names() == ['0.jpg', '1.jpg', 'results.json']
    entries = json.loads(Path('demo_out/results.json').read_text())
    assert [entry['path'] for entry in entries] == ['in/0.jpg', 'in/1.jpg']

    def two_results(self, images, *_, batch=inference.Predictor.batch):
        yield from batch(self, islice(images, 2))
        raise KeyboardInterrupt

    monkeypatch.setattr(inference.Predictor, 'batch', two_results)
    assert demo('classification', 'film.avi', '--out-dir', 'out') == 130
    assert names('out') == []


def test_the_model_is_what_the_command_line_says(model_files, tmp_path, capsys):
    """Nothing here is replaced: the averaged weights, the device and the options reach the model."""
    content = torch.load(model_files / 'classification.pth', weights_only=True)
    average = {name: torch.zeros_like(tensor) for name, tensor in content['state_dict'].items()}
    checkpoint = tmp_path / 'epoch_1.pth'
    torch.save({**content, 'ema_state_dict': average}, checkpoint)
    arguments = [str(model_files / 'classification.py'), str(tmp_path), str(image(tmp_path / 'a.png'))]
    arguments += ['--out-dir', str(tmp_path / 'out'), '--device', 'cpu']
    options = ['--cfg-options', 'test_dataloader.dataset.transform.input_size=32']
    assert run_verb('demo', [*arguments, '--weights', 'ema', *options]) == 0
    (entry,) = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert [one['score'] for one in entry['top']] == pytest.approx([1 / 3] * 3)
    assert run_verb('demo', [*arguments, '--cfg-options', 'test_dataloader.dataset.transform.crop=1']) == 2
    assert "the config's test_dataloader can't be built" in capsys.readouterr().err


def test_checkpoints_that_cannot_be_used(model_files, tmp_path, errors):
    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / 'canary',)

    evil = tmp_path / 'evil.pth'
    torch.save({'state_dict': {}, 'meta': Canary()}, evil)
    path = str(image(tmp_path / 'a.png'))
    for checkpoint, said in (
        (evil, 'could run code'),
        (tmp_path / 'absent.pth', 'no checkpoint at'),
        (model_files / 'segmentation.pth', 'is for segmentation, the config for classification'),
    ):
        out = ['--out-dir', str(tmp_path / 'out')]
        assert run_verb('demo', [str(model_files / 'classification.py'), str(checkpoint), path, *out]) == 2
        (line,) = errors()
        assert said in line and str(checkpoint) in line
    assert not (tmp_path / 'canary').exists()


def test_the_bar_is_for_terminals(demo, capsys, monkeypatch):
    image('a.png')
    monkeypatch.setenv('FORCE_COLOR', '1')  # what makes rich take anything for a terminal
    assert demo('classification', 'a.png') == 0
    assert 'images' in capsys.readouterr().err
    monkeypatch.delenv('FORCE_COLOR')
    assert demo('classification', 'a.png') == 0
    assert capsys.readouterr().err == ''
