"""``diagnose`` and ``test --diagnose``: what is written where, what is refused, and what the terminal says."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from convnext_dense.analysis import diagnose as module
from convnext_dense.cli import run_verb
from convnext_dense.cli.commands.diagnose import summary
from convnext_dense.diagnosis.content import Diagnosis, Headline, Section, Step
from convnext_dense.diagnosis.findings.base import ConfusionFacts, Facts, Findings
from convnext_dense.diagnosis.suspects import Suspect
from tests.helpers import coco_files
from tests.helpers.run_tool import ATTO, SMALL, train
from tests.helpers.small_models import CLASSES, write_checkpoint, write_config


@pytest.fixture(scope='module')
def run(tmp_path_factory, image_folder) -> Path:
    """The work dir of a classifier with averaged weights."""
    folder = tmp_path_factory.mktemp('runs') / 'run'
    assert train(image_folder, folder, '--epochs', '1', options=('default_hooks.ema.momentum=0.2',)) == 0
    return folder


def diagnose(*arguments: object, options: tuple[str, ...] = tuple(SMALL)) -> int:
    return run_verb('diagnose', [*map(str, arguments), '--cfg-options', *options])


def test_a_run_has_its_diagnosis_and_an_earlier_one_is_replaced(run, capsys):
    assert diagnose(run, '--images', 5) == 0
    content = json.loads((run / 'diagnosis/diagnosis.json').read_text())
    assert content['weights'] == 'ema' and content['tested_images'] == 18 and len(content['images']) == 5
    said = capsys.readouterr().out
    assert 'diagnosis of the averaged weights on 18 images' in said
    assert f'the diagnosis is in {run / "diagnosis"}; `' in said
    assert f' {run}` makes a page of it' in said
    (run / 'diagnosis/old').touch()
    assert diagnose(run, '--images', 0, '--weights', 'raw') == 0
    content = json.loads((run / 'diagnosis/diagnosis.json').read_text())
    assert content['weights'] == 'raw' and not content['images']
    assert not (run / 'diagnosis/old').exists() and not (run / 'diagnosis/images').exists()
    assert [path.name for path in run.iterdir() if 'diagnosis' in path.name] == ['diagnosis']


def test_a_test_diagnoses_the_averaged_weights_with_the_numbers_that_it_prints(run, tmp_path):
    arguments = [str(run), '--out', str(tmp_path / 'metrics.json'), '--diagnose', '--cfg-options', *SMALL]
    assert run_verb('test', arguments) == 0
    metrics = json.loads((tmp_path / 'metrics.json').read_text())['metrics']
    content = json.loads((run / 'diagnosis/diagnosis.json').read_text())
    top1 = next(one['value'] for one in content['headlines'] if one['name'] in ('top1', 'top-1'))
    assert content['weights'] == 'ema' and {'raw/top1', 'ema/top1'} <= metrics.keys()
    assert top1 == pytest.approx(metrics['ema/top1'], abs=1e-10)


def test_an_interrupted_diagnosis_leaves_the_earlier_one(run, monkeypatch, error):
    assert diagnose(run, '--images', 2) == 0
    earlier = (run / 'diagnosis/diagnosis.json').read_text()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, 'write_diagnosis', interrupt)
    assert diagnose(run, '--images', 1) == 130
    assert (run / 'diagnosis/diagnosis.json').read_text() == earlier
    assert len(list((run / 'diagnosis/images').iterdir())) == 2
    assert [path.name for path in run.iterdir() if 'diagnosis' in path.name] == ['diagnosis']


def test_folders_that_are_none_of_a_diagnosis_are_left_alone(run, tmp_path, error):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/photo.jpg').touch()
    assert diagnose(run, '--out', tmp_path / 'mine') == 2
    assert 'mine holds other files and no diagnosis.json, so that it is not replaced' in error()
    assert diagnose(run, '--out', tmp_path / 'mine/photo.jpg') == 2
    assert 'photo.jpg is a file: name a new folder with --out' in error()
    assert diagnose(run, '--out', tmp_path / 'mine/photo.jpg/out') == 2
    assert 'cannot be written' in error()
    assert (tmp_path / 'mine/photo.jpg').is_file()
    assert diagnose(run, '--images', -1) == 2
    assert '--images -1: take 0 or more' in error()


def test_weights_of_no_run_need_a_folder(tmp_path, image_folder, run, error, monkeypatch):
    checkpoint = tmp_path / 'alone.pth'
    os.link(run / 'epoch_1.pth', checkpoint)
    monkeypatch.chdir(tmp_path)
    assert diagnose(ATTO, checkpoint, '--data', image_folder) == 2
    assert 'alone.pth is not from the work dir of a run' in error()
    assert diagnose(ATTO, checkpoint, '--data', image_folder, '--out', 'out', '--images', 1) == 0
    assert json.loads(Path('out/diagnosis.json').read_text())['data'] == str(image_folder)


def test_classes_of_other_data_are_named(run, tmp_path, error, own_image_folder):
    for split in ('train', 'val'):
        (own_image_folder / split / 'red').rename(own_image_folder / split / 'pink')
    assert diagnose(run, '--data', own_image_folder, '--out', tmp_path / 'out') == 2
    message = error()
    assert 'pink' in message and 'red' in message
    assert not (tmp_path / 'out').exists()


@pytest.fixture(scope='module')
def detector(tmp_path_factory) -> list[str]:
    """Config and checkpoint of a detector with random weights."""
    folder = tmp_path_factory.mktemp('detector')
    config = write_config('detection', folder)
    return [str(config), str(write_checkpoint(config, folder / 'd.pth', classes=CLASSES, category_ids=[7, 2, 90]))]


DETECTOR = (
    'test_dataloader.num_workers=0',
    'test_dataloader.dataset.pipeline.1.scale=(80,60)',
    'test_dataloader.persistent_workers=False',
    'model.test_cfg.rcnn.score_thr=0.0',
    'model.test_cfg.rcnn.max_per_img=60',
)


@pytest.fixture
def diagnose_file(detector, tmp_path, monkeypatch):
    """Write a COCO file, and diagnose the detector on it alone into ``out``; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    coco_files.draw(tmp_path / 'images', coco_files.content())

    def run(content: dict, *arguments: object, options: tuple[str, ...] = DETECTOR) -> int:
        Path('one.json').write_text(json.dumps(content))
        return diagnose(*detector, '--data', 'one.json:images', '--out', 'out', *arguments, options=options)

    return run


def test_a_detectors_objects_have_boxes_masks_and_truth(diagnose_file):
    content = coco_files.content()
    assert diagnose_file(content) == 0
    diagnosis = json.loads(Path('out/diagnosis.json').read_text())
    assert diagnosis['tested_images'] == len(content['images']) == len(diagnosis['images'])
    annotated = sum(len(image['truth']) for image in diagnosis['images'])
    assert annotated == len(content['annotations'])
    assert any(one['outline'] for image in diagnosis['images'] for one in image['predicted'])


def test_images_without_annotations_can_be_browsed(diagnose_file, capsys):
    content = coco_files.content()
    content['annotations'] = []
    assert diagnose_file(content) == 0
    said = capsys.readouterr().out
    assert 'the images have no ground truth: no metrics' in said
    diagnosis = json.loads(Path('out/diagnosis.json').read_text())
    assert diagnosis['headlines'] == [] and all(image['truth'] is None for image in diagnosis['images'])
    assert diagnosis['sections'][0]['id'] == 'predictions'


def test_a_test_diagnoses_images_without_annotations_as_diagnose_does(diagnose_file, detector, capsys):
    content = coco_files.content()
    del content['annotations']
    assert diagnose_file(content) == 0
    folder = Path('run')
    folder.mkdir()
    shutil.copy(detector[1], folder / 'epoch_1.pth')
    shutil.copy(detector[0], folder / 'config.py')
    (folder / 'checkpoints.json').write_text('{}')
    capsys.readouterr()
    arguments = [
        detector[0],
        str(folder / 'epoch_1.pth'),
        '--data',
        'one.json:images',
        '--diagnose',
        '--weights',
        'raw',
    ]
    assert run_verb('test', [*arguments, '--cfg-options', *DETECTOR]) == 0
    said = capsys.readouterr().out
    assert 'one.json has no annotations: nothing is measured' in said and 'no ground truth: no metrics' in said
    found = [json.loads(Path(place, 'diagnosis.json').read_text()) for place in ('out', 'run/diagnosis')]
    assert found[0]['sections'] == found[1]['sections'] and found[0]['images'] == found[1]['images']
    assert not (folder / 'metrics.json').exists()


def test_a_detector_that_finds_nothing_has_a_diagnosis(diagnose_file):
    assert diagnose_file(coco_files.content(), options=(*DETECTOR, 'model.test_cfg.rcnn.score_thr=1.0')) == 0
    diagnosis = json.loads(Path('out/diagnosis.json').read_text())
    assert all(image['predicted'] == [] for image in diagnosis['images'])
    assert diagnosis['headlines'][0]['value'] == 0


def test_the_terminal_shows_the_most_important():
    facts = Facts(
        'box AP',
        40.0,
        38.0,
        42.0,
        10,
        'objects',
        [],
        confusions=[ConfusionFacts('cat', 'hot\ndog', 12, 10.0, 50.0)],
        error_costs={'missed': 1.5, 'location': 7.25, 'both': 0.0},
    )
    headlines = [
        Headline('box AP', 40.0, 38.0, 42.0),
        Headline('error', float('nan')),
        Headline('e', 0.5, None, None, ''),
    ]
    suspects = [Suspect('a.jpg', 'class', 0.5)]
    found = Findings(headlines, [], suspects, {}, {}, facts)
    sections = [Section('suspects', 'Labels to check', [], '1 label is contradicted strongly.')]
    steps = [Step(f'Try {number}.', 'since', 'rule') for number in range(5)]
    diagnosis = Diagnosis('detection', ['cat'], [], 'raw', '', '', '', 10, headlines, sections, steps, [])
    assert summary(diagnosis, found) == [
        'diagnosis of the raw weights on 10 images',
        '  box AP   40.00 %   38.0 to 42.0',
        '  e         0.50  ',
        'errors cost in AP50: location 7.2, missed 1.5',
        'largest confusions: cat taken for hot dog (12 objects)',
        'labels to check: 1 label is contradicted strongly. All are in suspects.csv.',
        'to try next: 1. Try 0. (since)',
        '             2. Try 1. (since)',
        '             3. Try 2. (since)',
    ]


def test_the_data_suspects_and_steps_are_part_of_it(tmp_path, own_image_folder, capsys):
    train_images = sorted((own_image_folder / 'train/blue').iterdir())
    shutil.copy(train_images[0], own_image_folder / 'val/red/copy.jpg')
    folder = tmp_path / 'run'
    assert train(own_image_folder, folder, '--epochs', '1') == 0
    assert diagnose(folder, '--images', 0) == 0
    content = json.loads((folder / 'diagnosis/diagnosis.json').read_text())
    sections = {section['id']: section for section in content['sections']}
    assert sections['data']['lead'].startswith('each of the 3 classes has 8 training images')
    assert 'almost the same as a training image' in sections['duplicates']['lead']
    with open(folder / 'diagnosis/suspects.csv', newline='') as file:
        leaks = [row for row in csv.DictReader(file) if row['kind'] == 'leak']
    assert str(own_image_folder / 'val/red/copy.jpg') in [row['image'] for row in leaks]
    assert not (folder / 'diagnosis/suspects_coco.json').exists()  # images have no places
    rules = [step['rule'] for step in content['steps']]
    assert rules[0] == 'a tested image is almost the same as a training image'
    assert 'fewer than 2,000 training images, and not `--recipe small`' in rules
    said = capsys.readouterr().out
    assert f'near-duplicate images: {sections["duplicates"]["lead"]}' in said and 'to try next: 1. Remove' in said

    assert diagnose(folder, '--images', 0, '--no-duplicates') == 0
    content = json.loads((folder / 'diagnosis/diagnosis.json').read_text())
    assert 'duplicates' not in {section['id'] for section in content['sections']}


@pytest.mark.parametrize('verb', ['diagnose', 'test'])
def test_a_config_without_test_data_is_refused(run, error, verb):
    options = ['test_dataloader=None', 'test_evaluator=None']
    assert run_verb(verb, [str(run), '--cfg-options', *options]) == 2
    assert 'has no test_dataloader and no test_evaluator, so that nothing can be tested' in error()
