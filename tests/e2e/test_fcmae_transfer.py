"""The comparison of pre-trained with random weights, ``benchmarks/fcmae_transfer.py``: it is what it says."""

import hashlib
import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from convnext_dense.checkpoints.files import find
from convnext_dense.config.saved import settings_of_run
from convnext_dense.errors import UserError
from convnext_dense.models.classifier import ImageClassifier
from convnext_dense.sample_data.create import SampleSize, ensure_sample

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))
sys.path.append(str(ROOT / 'benchmarks'))
transfer = importlib.import_module('fcmae_transfer')
tables = importlib.import_module('benchmarks.fcmae_tables')

PRETRAINING = transfer.Pretraining(scenes=12, held_out=4, size=64, batch=4, epochs=2, validations=2)
SMALL = {
    'classification': transfer.TASKS['classification']._replace(labels=2, size=32, length=('--epochs', '2')),
    'segmentation': transfer.TASKS['segmentation']._replace(labels=5, size=64, length=('--iters', '3'), batch=5),
}


@pytest.fixture(scope='module')
def sample(tmp_path_factory) -> Path:
    """A drawn sample of 5 portraits of each class and 9 scenes for training."""
    return ensure_sample(tmp_path_factory.mktemp('cache'), workers=1, size=SampleSize(60, 24, 9, 2))


@pytest.fixture
def small(sample, monkeypatch):
    monkeypatch.setattr(
        transfer, 'ensure_sample', lambda root=None, **size: ensure_sample(root, **size, workers=1) if size else sample
    )


class Recorded(SimpleNamespace):
    """What a network saw in training: a hash of the images of each step, and its weights before the first one."""


@pytest.fixture
def recorded(monkeypatch) -> list[Recorded]:
    """What the networks see that are trained from here on, one after the other."""
    from convnext_dense.models.segmentor import Segmentor

    runs: list[Recorded] = []

    def watch(owner, is_training):
        forward = owner.forward

        def watched(model, inputs, *args, **kwargs):
            if model.training and is_training(args, kwargs):
                if not runs or runs[-1].model is not model:
                    state = {name: value.clone() for name, value in model.state_dict().items()}
                    runs.append(Recorded(model=model, images=[], state=state))
                content = inputs.detach().float().contiguous().numpy().tobytes()
                runs[-1].images.append(hashlib.sha256(content).hexdigest())
            return forward(model, inputs, *args, **kwargs)

        monkeypatch.setattr(owner, 'forward', watched)

    def loss(args, kwargs):
        return 'loss' in (*args, kwargs.get('mode'))

    watch(ImageClassifier, loss)
    watch(Segmentor, loss)
    return runs


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_two_starts_differ_in_the_backbones_weights_alone(small, recorded, tmp_path):
    store = transfer.Store(tmp_path / 'results.json')
    transfer.ensure_pretrained(tmp_path, store, PRETRAINING)
    seen = store.read()['pretraining']
    assert seen['steps'] == 2 * 12 // 4 and len(seen['held_out_loss']) == 2
    transfer.fine_tune_all(tmp_path, store, SMALL, [1])
    runs = {(one['task'], one['start']): one for one in store.read()['runs']}
    networks = dict(zip(runs, recorded, strict=True))
    for task, (steps, batch) in {'classification': (6, 8), 'segmentation': (3, 5)}.items():
        one, other = (networks[task, start] for start in ('pretrained', 'random'))
        assert one.images == other.images and len(set(one.images)) == len(one.images) == steps
        assert runs[task, 'random']['steps'] == steps and runs[task, 'random']['images'] == steps * batch
        trained = torch.load(find(tmp_path / 'pretrained'), weights_only=True)['state_dict']
        for name, value in one.state.items():
            if name in trained and name.startswith('backbone.'):
                assert torch.equal(value, trained[name]), name
                continue
            assert torch.equal(value, other.state[name]), name
        shared = [name for name in one.state if name.startswith('backbone.') and name in trained]
        assert len(shared) > 100
        differing = [name for name in shared if not torch.equal(trained[name], other.state[name])]
        assert {name for name in shared if name.endswith('pwconv1.weight')} <= set(differing)
        settings = [settings_of_run(tmp_path / f'{task}_{start}') for start in ('pretrained', 'random')]
        keys = {key for key in settings[0] | settings[1] if settings[0].get(key) != settings[1].get(key)}
        assert keys <= {'pretrained', 'work_dir', 'command_line'} and 'pretrained' in keys
    before = (tmp_path / 'results.json').read_text()
    transfer.ensure_pretrained(tmp_path, store, PRETRAINING)
    transfer.fine_tune_all(tmp_path, store, SMALL, [1])  # all is there
    assert (tmp_path / 'results.json').read_text() == before and len(recorded) == 4

    options = ['optim_wrapper.optimizer.lr=0.123']
    changed = transfer.fine_tune('classification', SMALL['classification'], 'random', 1, tmp_path, options)
    assert changed['settings'] != runs['classification', 'random']['settings']
    with pytest.raises(UserError, match='settings of both starts differ'):
        transfer.check_pair(runs['classification', 'pretrained'], {**changed, 'options': []})


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_probes_are_of_the_frozen_weights(small, tmp_path):
    store = transfer.Store(tmp_path / 'results.json')
    transfer.ensure_pretrained(tmp_path, store, PRETRAINING)
    transfer.probe_all(tmp_path, store, [5], [1, 2], 32)
    probes = store.read()['probes']
    assert [(one['start'], one['seed']) for one in probes] == [(s, n) for n in (1, 2) for s in transfer.STARTS]
    assert len({one['linear'] for one in probes}) > 1
    assert all(0 <= one['linear'] <= 100 and set(one['knn']) == {'10', '20'} for one in probes)


def test_labels_are_chosen_by_the_seed_alone(small, sample, tmp_path):
    chosen = {}
    for name, seed in (('one', 1), ('again', 1), ('other', 2)):
        root = transfer.few_portraits(3, seed, tmp_path / name)
        files = sorted(path.relative_to(root / 'train') for path in (root / 'train').glob('*/*'))
        assert len(files) == 12 * 3 and len({path.parent for path in files}) == 12
        assert len(list((root / 'val').glob('*/*'))) == 24
        chosen[name] = files
    assert chosen['one'] == chosen['again'] != chosen['other']
    setting = SMALL['segmentation']
    options = [transfer.labeled('segmentation', setting, seed, tmp_path)[1] for seed in (1, 1, 2)]
    assert options[0] == options[1] != options[2]
    indices = json.loads(options[0][0].partition('=')[2])
    assert len(set(indices)) == 5 and set(indices) <= set(range(9))


def test_nothing_is_pretrained_on_that_is_measured_on(sample):
    scenes = {path.read_bytes() for path in (sample / 'coco/train2017').iterdir()}
    validated = {path.read_bytes() for path in (sample / 'ade20k/images/validation').iterdir()}
    assert len(scenes) == 9 and len(validated) == 2 and not scenes & validated


def result(start: str, seed: int, value: float, **others) -> dict:
    same = dict(task='classification', options=[], labels=10, metric='top1', steps=6, images=48, settings='a')
    return {**same, 'start': start, 'seed': seed, 'value': value, **others}


@pytest.mark.parametrize('key', ['steps', 'images', 'settings', 'labels', 'seed'])
def test_runs_that_differ_are_no_pair(key):
    one, other = result('pretrained', 1, 50.0), result('random', 1, 40.0)
    transfer.check_pair(one, other)
    with pytest.raises(UserError, match=f'{key} of both starts differ'):
        transfer.check_pair(one, {**other, key: 0})


def test_a_result_takes_the_place_of_the_same_run_alone(tmp_path):
    store, key = transfer.Store(tmp_path / 'results.json'), ('task', 'start', 'seed', 'options')
    for start, seed, value in (('random', 1, 40.0), ('random', 2, 41.0), ('random', 1, 42.0)):
        store.add('runs', result(start, seed, value), key)
    assert [(one['seed'], one['value']) for one in store.read()['runs']] == [(2, 41.0), (1, 42.0)]
    assert store.find('runs', {'seed': 2, 'start': 'random'})['value'] == 41.0
    assert store.find('runs', {'seed': 2, 'start': 'pretrained'}) is None


def test_tables_have_mean_spread_and_what_each_seed_gained(tmp_path):
    values = {'pretrained': (60.0, 64.0, 68.0), 'random': (50.0, 60.0, 70.0)}
    runs = [result(start, seed, value) for start in values for seed, value in enumerate(values[start])]
    runs.append(result('random', 9, 99.0))  # the other start has not run yet
    options = ['optim_wrapper.optimizer.lr=0.001', 'optim_wrapper.paramwise_cfg.decay_rate=0.9']
    runs += [result(start, 0, value, options=options) for start, value in (('pretrained', 1.0), ('random', 2.0))]
    probes = [
        {'labels': 10, 'start': start, 'seed': 1, 'linear': value, 'knn': {'10': value + 1, '20': value}}
        for start, value in (('pretrained', 30.0), ('random', 20.0))
    ]
    pretraining = {**PRETRAINING._asdict(), 'steps': 6, 'held_out_loss': [[1, 0.95], [2, 0.75]]}
    environment = {'cores': 2, 'cpu': 'CPU', 'gpu': False, 'torch': '2', 'python': '3'}
    file = tmp_path / 'results.json'
    assert tables.fcmae_transfer(file).startswith('Not measured yet')
    content = {'pretraining': pretraining, 'probes': probes, 'runs': runs, 'environment': environment}
    file.write_text(json.dumps(content))
    table = tables.fcmae_transfer(file)
    spread = [np.std(values[start], ddof=1) for start in values]
    cells = f'64.0 ± {spread[0]:.1f} | 60.0 ± {spread[1]:.1f} | +10.0, +4.0, -2.0'
    assert f'| fine-tuning, classifier | 10 images of each class | top-1 | {cells} |' in table
    assert '| frozen, linear layer | 10 images of each class | top-1 | 30.0 | 20.0 | +10.0 |' in table
    assert '| frozen, 10 nearest neighbors | 10 images of each class | top-1 | 31.0 | 21.0 | +10.0 |' in table
    assert '0.950 after 1 epochs to 0.750' in table and 'segmentation' not in table
    scan = tables.fcmae_scan(file)
    assert '| 0.001 | 0.9 | 1.0 | 2.0 |' in scan and 'classification, pretrained | classification, random' in scan
