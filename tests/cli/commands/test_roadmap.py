"""tools/roadmap.py from the first command to the last: tables, figures, and training in small."""

import json

import pytest
import torch
from PIL import Image

from convnext_dense.analysis.environment import environment
from convnext_dense.cli import run_verb
from convnext_dense.config.read import read_config
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.evaluation import Accuracy
from convnext_dense.models import ImageClassifier
from convnext_dense.roadmap import measurements as analysis
from convnext_dense.roadmap import runs as roadmap_runs
from convnext_dense.roadmap.steps import TRACKS, config_of
from tests.helpers.run_tool import SMALL

TINY = [*SMALL, 'model.backbone.depths=[1,1,1,1]', 'model.backbone.width=8']


@pytest.fixture(autouse=True)
def no_counting(monkeypatch):
    """Counting parameters and MACs takes seconds, and has tests of its own."""
    monkeypatch.setattr(analysis, '_count', lambda track, step: (25_000_000, 4_000_000_000))


@pytest.fixture
def roadmap(image_folder, tmp_path, capsys):
    """Trains two steps with what else is asked for; returns the exit code, the document, and what was said."""

    def run(*arguments: str, steps: tuple[str, ...] = ('gelu', 'baseline'), data: str | None = None):
        argv = ['--train', '--data', data or str(image_folder), '--work-dir', str(tmp_path / 'runs'), *arguments]
        argv += ['--steps', *steps, '--json', '--cfg-options', *TINY]
        code = run_verb('roadmap', argv)
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out.startswith('{') else None, captured.err

    return run


@pytest.fixture
def steps_taken(monkeypatch):
    """Counts the training steps, and interrupts one of them."""
    state = dict(count=0, interrupt_at=None)
    own = ImageClassifier._loss

    def loss(self, *args):
        state['count'] += 1
        if state['count'] == state['interrupt_at']:
            raise KeyboardInterrupt
        return own(self, *args)

    monkeypatch.setattr(ImageClassifier, '_loss', loss)
    return state


def measured(content: dict) -> dict[str, dict]:
    return {step['step']: step['measured_top1'] for step in content['steps'] if 'measured_top1' in step}


def test_steps_are_trained_under_one_budget_and_once(roadmap, steps_taken, tmp_path):
    code, content, _ = roadmap('--epochs', '1', '--seeds', '2')
    assert code == 0
    assert steps_taken['count'] == 2 * 2 * 6  # steps, seeds, batches
    training = content['training']
    assert (training['epochs'], training['baseline_epochs'], training['seeds']) == (1, 1, 2)
    assert (training['training_images'], training['validation_images'], training['resolution']) == (48, 18, 32)
    found = measured(content)
    assert found.keys() == {'baseline', 'gelu'}
    for step, name in (('baseline', 'r50_00_baseline'), ('gelu', 'r50_12_gelu')):
        values = []
        for seed in (0, 1):
            run = tmp_path / 'runs' / f'{name}_seed_{seed}'
            values.append(read_scalars(run)['val/raw/top1'][-1][1])
            content = torch.load(run / 'epoch_1.pth', weights_only=True)
            assert content['meta']['run']['seed'] == seed
            assert 'optimizer' not in content
        assert list(found[step]['by_seed'].values()) == values
        assert found[step]['mean'] == pytest.approx(sum(values) / 2)
        assert found[step]['std'] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)

    code, content, said = roadmap('--epochs', '1', '--seeds', '3', steps=('gelu',))
    assert code == 0
    assert '2 of 3 runs are finished already' in said
    assert steps_taken['count'] == 24 + 6
    assert len(measured(content)['gelu']['by_seed']) == 3
    assert measured(content)['baseline'] == found['baseline']


def test_an_interrupted_series_goes_on_where_it_stopped(roadmap, steps_taken, tmp_path):
    steps_taken['interrupt_at'] = 12 + 6 + 3  # the second run's second epoch
    code, content, said = roadmap('--epochs', '2')
    assert (code, content) == (130, None)
    assert '1 of 2 runs are finished; the same command continues with gelu' in said
    first = read_scalars(tmp_path / 'runs' / 'r50_12_gelu_seed_0')['train/loss']
    steps_taken['interrupt_at'] = None
    code, content, _ = roadmap('--epochs', '2')
    assert code == 0
    assert steps_taken['count'] == 21 + 6  # of what was finished, and of the first epoch, nothing again
    assert content['training']['seconds'] is None  # part of the time was spent before

    resumed = tmp_path / 'runs' / 'r50_12_gelu_seed_0'
    assert read_scalars(resumed)['train/loss'][:6] == first[:6]
    assert [path.name for path in resumed.glob('*.pth')] == ['epoch_2.pth']
    resumed.rename(tmp_path / 'resumed')
    code, whole, _ = roadmap('--epochs', '2')
    assert read_scalars(tmp_path / 'resumed')['train/loss'] == read_scalars(resumed)['train/loss']
    assert measured(whole) == measured(content)


def test_an_interrupted_validation_is_made_up_for(roadmap, steps_taken, monkeypatch, tmp_path):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Accuracy, 'process', interrupted)
        assert roadmap('--epochs', '1', steps=('gelu',))[0] == 130
    code, content, _ = roadmap('--epochs', '1', steps=('gelu',))
    assert (code, steps_taken['count']) == (0, 6)
    (tmp_path / 'runs' / 'r50_12_gelu_seed_0').rename(tmp_path / 'made_up_for')
    assert measured(roadmap('--epochs', '1', steps=('gelu',))[1]) == measured(content)


@pytest.fixture
def untrained(monkeypatch):
    """Budgets are taken, and nothing is trained."""
    monkeypatch.setattr(roadmap_runs.Series, 'train', lambda self, run: 0.0)


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        (['--epochs', '3'], 'epochs 1, not 3: use the same settings, or choose another folder with --work-dir'),
        (['--epochs', '1', '--track', 'resnet200'], 'track resnet50, not resnet200'),
        (['--epochs', '1', '--data', 'OTHER'], '/images'),
    ],
)
@pytest.mark.usefixtures('untrained')
def test_another_budget_is_refused(changed, said, roadmap, own_image_folder):
    assert roadmap('--epochs', '1')[0] == 0
    changed = [str(own_image_folder) if value == 'OTHER' else value for value in changed]
    code, _, error = roadmap(*changed)
    assert code == 2
    assert 'holds runs with' in error.splitlines()[-1]
    assert said in error.splitlines()[-1]


@pytest.mark.usefixtures('untrained')
def test_without_epochs_each_config_has_its_own(roadmap):
    training = roadmap()[1]['training']
    assert (training['epochs'], training['baseline_epochs'], training['seeds']) == (300, 90, 0)


@pytest.mark.parametrize('track', TRACKS)
def test_every_step_has_its_config(track):
    for step in TRACKS[track]:
        backbone = read_config(config_of(track, step.name), needs_data=False).model.backbone
        assert (backbone.track, backbone.step) == (track, step.name)


def test_the_table_marks_misprints_and_what_was_not_kept(capsys):
    assert run_verb('roadmap', []) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line}
    assert rows['baseline'] == ['25.00M', '4.000G', '4.09G', '76.13']
    assert rows['layer_norm'] == ['25.00M', '4.000G', '4.46G*', '81.47', '±', '0.09']
    assert [name for name in rows if name.startswith('(kernel')] == ['(kernel_5)', '(kernel_9)', '(kernel_11)']
    assert '* misprint at layer_norm: norms count no MACs' in said


def test_what_was_written_is_shown_again(tmp_path, capsys, monkeypatch):
    out = tmp_path / 'new'
    assert run_verb('roadmap', ['--track', 'resnet200', '--out', str(out), '--json']) == 0
    printed = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in out.iterdir()) == [f'roadmap_resnet200.{x}' for x in ('json', 'png', 'svg')]
    assert Image.open(out / 'roadmap_resnet200.png').width > 1000
    assert 'PUBLISHED' in (out / 'roadmap_resnet200.svg').read_text()
    monkeypatch.setattr(analysis, '_count', lambda *args: 1 / 0)
    assert run_verb('roadmap', ['--from', str(out / 'roadmap_resnet200.json'), '--json']) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert printed == json.loads((out / 'roadmap_resnet200.json').read_text())


def test_rates_are_shown_with_what_they_were_measured_on(tmp_path, capsys):
    made_on = environment() | dict(cpu='A CPU', gpu=False, threads=3, load=1.5)
    rates = {step.name: [3.0, 1.0, 2.0] for step in TRACKS['resnet50']}
    timing = dict(images_per_second=rates, batch=8, resolution=224, rounds=3, environment=made_on)
    file = tmp_path / 'timed.json'
    file.write_text(json.dumps(analysis.document('resnet50', timing)))
    assert run_verb('roadmap', ['--from', str(file)]) == 0
    said = capsys.readouterr().out
    assert '2.0 (1.0 to 3.0)' in said
    assert f'224, A CPU, threads: 3, torch {torch.__version__}, load at the start 1.5, {made_on["date"]}' in said


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--train'], '--train needs --data'),
        (['--train', '--data', 'absent'], 'no data at absent'),
        (['--train', '--data', 'DATA', '--seeds', '0'], '--seeds 0: train each step at least once'),
        (['--train', '--data', 'DATA', '--epochs', '0'], '--epochs 0: train at least 1'),
        (
            ['--train', '--data', 'DATA', '--steps', 'gelus'],
            "no step 'gelus': take one of baseline, modern_recipe, st",
        ),
        (['--train', '--data', 'DATA', '--work-dir', '/proc/x'], 'work dir /proc/x cannot be written'),
        (['--train', '--data', 'DATA', '--steps', 'gelu', 'x'], "no step 'x'"),
        (['--seeds', '3'], '--seeds goes with --train'),
        (['--data', 'sample'], '--data goes with --train'),
        (['--time', '1000000000000'], '--time 1000000000000: the batch does not fit into memory'),
        (['--time', '0'], '--time 0: take batches of at least 1 image'),
        (['--out', '/proc/x'], 'folder /proc/x cannot be written'),
        (['--work-dir', 'absent'], 'no runs of the roadmap in absent: train them with --train'),
        (['--from', 'absent.json'], 'absent.json cannot be read'),
        (['--from', 'README.md'], 'README.md was not written by the roadmap'),
        (['--from', 'foreign.json'], 'foreign.json was not written by the roadmap'),
        (['--from', 'bare.json'], 'bare.json was not written by the roadmap'),
        (['--work-dir', 'foreign'], 'foreign/budget.json was not written by the roadmap: choose another folder with'),
        (['--train', '--data', 'DATA', '--work-dir', 'foreign'], 'foreign/budget.json was not written by the roadmap'),
        (['--from', 'README.md', '--time'], '--from computes nothing: leave out --time'),
    ],
)
def test_bad_arguments_are_said_in_one_line(arguments, said, image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'README.md').write_text('# A file\n')
    content = dict(track='resnet50', timing=None, training=None, steps=[{} for _ in TRACKS['resnet50']])
    (tmp_path / 'foreign.json').write_text(json.dumps(content))
    content['steps'] = [dict(step=step.name) for step in TRACKS['resnet50']]
    (tmp_path / 'bare.json').write_text(json.dumps(content))
    (tmp_path / 'foreign').mkdir()
    (tmp_path / 'foreign' / 'budget.json').write_text('{"rent": 1000}')
    assert run_verb('roadmap', [str(image_folder) if x == 'DATA' else x for x in arguments]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert said in error
    assert not (tmp_path / 'work_dirs').exists()
