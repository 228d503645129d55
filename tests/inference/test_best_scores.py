"""The best score of each class, from the diagnosis of a run, thresholds what a model predicts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.checkpoints import manifest
from convnext_dense.cli import run_verb
from convnext_dense.errors import UserError
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.best_scores import read_best_scores
from convnext_dense.tasks import TASKS
from tests.helpers.demo_inputs import IDS, image
from tests.helpers.small_models import CLASSES, write_checkpoint, write_config


@pytest.fixture(scope='module')
def model(tmp_path_factory) -> Path:
    """A folder as a run's work dir, with ``detection.py`` and ``detection.pth``."""
    folder = tmp_path_factory.mktemp('model')
    meta = {'classes': CLASSES, 'category_ids': IDS}
    write_checkpoint(write_config('detection', folder), folder / 'detection.pth', **meta)
    (folder / manifest.FILE_NAME).write_text('{}')
    return folder


@pytest.fixture
def run(model, tmp_path) -> Path:
    shutil.copytree(model, tmp_path / 'run')
    return tmp_path / 'run'


def write_diagnosis(run: Path, **changes: object) -> None:
    content = {
        'headlines': [],
        'classes': list(CLASSES),
        'checkpoint': str(run / 'detection.pth'),
        'weights': 'raw',
        'best_score': 0.6,
        'best_scores': dict(zip(CLASSES[:2], (0.55, 0.65), strict=True)),
    }
    (run / 'diagnosis').mkdir(exist_ok=True)
    (run / 'diagnosis/diagnosis.json').write_text(json.dumps({**content, **changes}))


def read(run: Path, weights: str = 'raw', task: str = 'detection'):
    return read_best_scores(run / 'detection.pth', run / 'detection.pth', weights, CLASSES, TASKS[task])


def test_a_class_without_a_best_score_gets_that_of_all(run):
    write_diagnosis(run)
    scores, line = read(run)
    assert scores.tolist() == [0.55, 0.65, 0.6]
    assert f'from 0.55 ({CLASSES[0]}) to 0.65 ({CLASSES[1]}), 0.60 for 1 without one, such as {CLASSES[2]}' in line
    assert 'weights' not in line and str(run / 'diagnosis/diagnosis.json') in line


def test_a_best_score_of_zero_is_one(run):
    write_diagnosis(run, best_scores=dict.fromkeys(CLASSES, 0.0))
    scores, line = read(run)
    assert scores.tolist() == [0, 0, 0] and 'without one' not in line


def test_other_weights_are_named(run):
    write_diagnosis(run, checkpoint='elsewhere/best.pth', weights='ema')
    assert 'they are of the ema weights of best.pth, and these are the raw of detection.pth' in read(run).line


def test_what_is_missing_is_named(run, tmp_path):
    with pytest.raises(UserError, match=r'--score best .*has none: `convnext-dense diagnose .*pth` makes it'):
        read(run)
    shutil.copy(run / 'detection.pth', tmp_path / 'alone.pth')
    with pytest.raises(UserError, match=r'alone.pth has none: it would be in the work dir of its run'):
        read_best_scores(tmp_path / 'alone.pth', tmp_path / 'alone.pth', 'raw', CLASSES, TASKS['detection'])
    write_diagnosis(run, best_scores={}, best_score=None)
    with pytest.raises(UserError, match='has no best scores, since no object was found'):
        read(run)
    write_diagnosis(run, classes=[*CLASSES, 'unicorn'])
    with pytest.raises(UserError, match=r"is of other classes than .*, such as 'unicorn'"):
        read(run)
    with pytest.raises(UserError, match='results of a model for panoptic have no scores'):
        read(run, task='panoptic')


def test_a_loaded_model_leaves_out_what_is_below(run, tmp_path, monkeypatch, capsys):
    write_diagnosis(run)
    monkeypatch.chdir(tmp_path)
    image('a.png')
    model = (run / 'detection.py', run / 'detection.pth')
    settings = dict(device='cpu', data='sample')
    every = inference.load(*model, **settings)('a.png')
    best = inference.load(*model, **settings, score='best')
    assert 'best scores from 0.55' in capsys.readouterr().err
    expected = every.scores >= np.array([0.55, 0.65, 0.6])[every.labels]
    assert 0 < expected.sum() < len(expected)
    found = best('a.png')
    assert np.array_equal(found.boxes, every.boxes[expected]) and np.array_equal(found.masks, every.masks[expected])
    kept = inference.load(*model, **settings, score=0.6)('a.png')
    assert np.array_equal(kept.scores, every.scores[every.scores >= 0.6])


def test_a_demo_draws_what_has_the_best_score_of_its_class(run, tmp_path, monkeypatch, error):
    monkeypatch.chdir(tmp_path)
    image('a.png')
    arguments = [str(run / 'detection.py'), str(run / 'detection.pth'), 'a.png', '--score', 'best']
    arguments += ['--data', 'sample', '--device', 'cpu']
    assert run_verb('demo', arguments) == 2
    assert 'has none: `convnext-dense diagnose' in error()
    write_diagnosis(run)
    assert run_verb('demo', arguments) == 0
    entries = json.loads(Path('demo_out/results.json').read_text())
    every = inference.load(run / 'detection.py', run / 'detection.pth', device='cpu', data='sample')('a.png')
    assert len(entries) == (every.scores >= np.array([0.55, 0.65, 0.6])[every.labels]).sum()
    write_diagnosis(run, best_scores=dict.fromkeys(CLASSES, 0.999))
    assert run_verb('demo', arguments) == 0
    assert json.loads(Path('demo_out/results.json').read_text()) == []


def test_a_word_that_is_no_score_is_refused(error):
    assert run_verb('demo', ['run', 'a.png', '--score', 'good']) == 2
    assert "'good' is neither a number from 0 to 1 nor best" in error()
