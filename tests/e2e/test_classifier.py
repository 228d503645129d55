"""The tools from the first command to the last, on data that take seconds."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.inference import load
from tests.helpers.page_data import page_data
from tests.helpers.run_tool import ATTO, ROOT, SMALL, test, train


def losses(work_dir: Path) -> list[tuple[int, float]]:
    return read_scalars(work_dir)['train/loss']


@pytest.fixture(scope='module')
def run(image_folder, tmp_path_factory) -> Path:
    """A finished run of two epochs."""
    work_dir = tmp_path_factory.mktemp('runs') / 'run'
    options = ('default_hooks.ema.momentum=0.2', 'optim_wrapper.optimizer.lr=4e-3')
    assert train(image_folder, work_dir, '--epochs', '8', options=options) == 0
    return work_dir


def test_training_learns_and_logs_every_step(run):
    steps = losses(run)
    assert [step for step, _ in steps] == list(range(1, 49))
    top1 = read_scalars(run)['val/raw/top1']
    assert [epoch for epoch, _ in top1] == list(range(1, 9))
    assert top1[-1][1] > 80  # three colors; chance is 33
    assert list(run.glob('*/vis_data/events.out.tfevents*'))
    assert (run / 'epoch_8.pth').is_file()


def test_checkpoint_holds_both_kinds_of_weights_and_plain_values_only(run):
    content = torch.load(run / 'epoch_8.pth', weights_only=True)
    assert content['meta']['dataset_meta'] == {'classes': ['blue', 'green', 'red']}
    assert content['meta']['epoch'] == 8
    assert content['state_dict'].keys() == content['ema_state_dict'].keys()
    assert not torch.equal(content['state_dict']['head.weight'], content['ema_state_dict']['head.weight'])


def test_a_run_keeps_the_eps_of_its_final_norm(image_folder, tmp_path, capsys):
    options = ('model.backbone.final_norm_eps=0.1',)
    assert train(image_folder, tmp_path / 'w', '--epochs', '1', options=options) == 0
    assert run_verb('convert_weights', [str(tmp_path / 'w'), str(tmp_path / 'hf.pth'), '--to', 'hf']) == 0
    assert 'layer_norm_eps=0.1)' in capsys.readouterr().out
    metrics = []
    for given in (options, ()):  # the checkpoint tells it
        assert test(image_folder, tmp_path / 'w', '--out', str(tmp_path / 'out.json'), options=given) == 0
        metrics.append(json.loads((tmp_path / 'out.json').read_text())['metrics'])
    assert metrics[0] == metrics[1]
    assert test(image_folder, tmp_path / 'w', options=('model.backbone.final_norm_eps=0.2',)) == 2
    assert 'has eps 0.1, this model 0.2: leave model.backbone.final_norm_eps out' in capsys.readouterr().err


def test_testing_gives_what_validation_gave(run, image_folder, tmp_path, capsys):
    out, show = tmp_path / 'metrics.json', tmp_path / 'show'
    assert test(image_folder, run, '--out', str(out), '--show-dir', str(show), '--show', '6') == 0
    metrics = json.loads(out.read_text())['metrics']
    logged = read_scalars(run)
    for name in ('raw/top1', 'ema/top1'):
        assert metrics[name] == logged[f'val/{name}'][-1][1]
    assert metrics['raw/images'] == 18
    entries = json.loads((show / 'predictions.json').read_text())
    assert len(entries) == len(list(show.glob('*.png'))) == 6
    assert {entry['ground_truth'] for entry in entries} == {'blue', 'green', 'red'}
    assert 'top1' in capsys.readouterr().out

    assert test(image_folder, run / 'epoch_8.pth', '--weights', 'ema', '--out', str(out)) == 0
    assert json.loads(out.read_text())['metrics'] == {n: v for n, v in metrics.items() if n.startswith('ema/')}


def test_a_run_needs_no_config(run, image_folder, tmp_path, capsys, monkeypatch):
    """It was trained and is tested at 32 pixels on its own data, as no packaged config says."""
    work_dir = tmp_path / 'run'
    shutil.copytree(run, work_dir, ignore=shutil.ignore_patterns('show', 'metrics.json'))
    assert run_verb('test', [str(work_dir), '--show', '3']) == 0
    metrics = json.loads((work_dir / 'metrics.json').read_text())['metrics']
    assert metrics['raw/top1'] == read_scalars(run)['val/raw/top1'][-1][1]
    assert len(list((work_dir / 'show').glob('*.png'))) == 3
    monkeypatch.chdir(tmp_path)
    image = next(image_folder.rglob('*.jpg'))
    assert run_verb('demo', [str(work_dir), str(image), str(image_folder / 'val')]) == 0
    assert '19 of 19 inputs' in capsys.readouterr().out
    predict = load(work_dir / 'epoch_8.pth', device='cpu')
    assert predict.input_shape == (32, 32) and list(predict.classes.names) == ['blue', 'green', 'red']
    expected = load(ATTO, run, device='cpu', options={'test_dataloader.dataset.transform.input_size': 32})(image)
    assert predict(image).as_json() == expected.as_json()


def test_the_numbers_of_a_run_are_not_lost_to_a_test_on_other_data(run, own_image_folder, tmp_path, capsys):
    work_dir = tmp_path / 'run'
    shutil.copytree(run, work_dir, ignore=shutil.ignore_patterns('show', 'metrics.json'))
    assert run_verb('test', [str(work_dir), '--show', '3']) == 0
    own = (work_dir / 'metrics.json').read_text()
    assert run_verb('test', [str(work_dir), '--data', str(own_image_folder)]) == 2
    assert f'this test is on {own_image_folder}: keep both with --out FILE.json' in capsys.readouterr().err
    other = ['--out', str(tmp_path / 'other.json'), '--show-dir', str(tmp_path / 'other'), '--show', '1']
    assert run_verb('test', [str(work_dir), '--data', str(own_image_folder), *other]) == 0
    assert (work_dir / 'metrics.json').read_text() == own
    assert run_verb('test', [str(work_dir), '--show', '2']) == 0
    index = json.loads((work_dir / 'show' / 'predictions.json').read_text())
    assert {path.name for path in (work_dir / 'show').glob('*.png')} == {entry['file'] for entry in index}
    assert len(index) == 2


@pytest.mark.faults
def test_a_config_that_disagrees_with_the_run_is_named_in_one_line(run, image_folder, tmp_path, capsys):
    """It was trained at 32 pixels, the packaged config tests at 224."""
    image = str(next(image_folder.rglob('*.jpg')))
    warning = (
        f'warning: {ATTO} does not predict as the run in {run} does: '
        'test_dataloader.dataset.transform.input_size is 224, in the run 32; '
        "leave out CONFIG to take the run's own config"
    )
    shown = ['--show', '1', '--show-dir', str(tmp_path), '--out', str(tmp_path / 'metrics.json')]
    verbs = {
        'test': ['--data', str(image_folder), *shown],
        'demo': [image, '--out-dir', str(tmp_path / 'drawn')],
        'export_onnx': [str(tmp_path / 'model.pt2'), '--shape', '32', '32'],
    }
    options = ['--cfg-options', 'test_dataloader.dataset.transform.input_size=32']
    for verb, arguments in verbs.items():
        for model, extra, said in (([ATTO, str(run)], [], 1), ([str(run)], [], 0), ([ATTO, str(run)], options, 0)):
            assert run_verb(verb, [*model, *arguments, *extra]) == 0
            warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith('warning: ')]
            assert warnings == [warning] * said, (verb, model)
    load(ATTO, run / 'epoch_8.pth', device='cpu')
    assert capsys.readouterr().err == f'{warning}\n'


def test_each_command_says_what_follows(run, image_folder, tmp_path, capsys, monkeypatch):
    work_dir = tmp_path / 'run'
    for script, prefix in (('convnext-dense', 'convnext-dense {}'), ('tools/x.py', 'python tools/{}.py')):
        monkeypatch.setattr('sys.argv', [script])
        shutil.rmtree(work_dir, ignore_errors=True)
        assert train(image_folder, work_dir, '--epochs', '1', '--pretrained', str(run)) == 0
        said = ''.join(capsys.readouterr())
        test_command, report = (f'{prefix.format(verb)} {work_dir}' for verb in ('test', 'report'))
        assert f'done: checkpoints and logs are in {work_dir}; `{test_command}` tests it\n' in said
        assert f'from {run / "epoch_8.pth"} (ours); fresh: nothing' in said
        assert run_verb('test', [str(work_dir)]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        metrics = work_dir / 'metrics.json'
        assert last == f'these numbers are in {metrics}; `{report}` makes a page of curves, numbers and images'
        assert run_verb('report', [str(work_dir)]) == 0
        diagnose = f'{prefix.format("diagnose")} {work_dir}'
        assert capsys.readouterr().out.splitlines() == [
            f'the page has no diagnosis of {work_dir}: `{diagnose}` adds what is missing, then report again',
            f'the page is at {work_dir / "report.html"}',
        ]
    assert run_verb('test', [str(work_dir), '--out', str(tmp_path / 'm.json')]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'these numbers are in {tmp_path / "m.json"}'


def test_a_run_that_cannot_be_written_to_is_tested_all_the_same(run, tmp_path, capsys, monkeypatch):
    work_dir = tmp_path / 'run'
    shutil.copytree(run, work_dir, ignore=shutil.ignore_patterns('show', 'metrics.json'))
    before = sorted(work_dir.rglob('*'))
    writable = os.access
    monkeypatch.setattr(os, 'access', lambda path, mode: Path(path) != work_dir and writable(path, mode))
    assert run_verb('test', [str(work_dir)]) == 0
    assert 'top1' in capsys.readouterr().out
    assert sorted(work_dir.rglob('*')) == before


def test_report_shows_curves_results_and_images(run, image_folder, capsys):
    assert test(image_folder, run, '--out', str(run / 'metrics.json'), '--show-dir', str(run / 'show')) == 0
    capsys.readouterr()
    assert run_verb('report', [str(run.parent)]) == 0
    said = capsys.readouterr().out.strip().splitlines()[-1]
    text = Path(said.removeprefix('the page is at ')).read_text()
    page = page_data(text)
    (summary,) = page['data-page']['runs']
    top1 = json.loads((run / 'metrics.json').read_text())['metrics']['raw/top1']
    rows = {row['name']: row['values'] for row in page['data-run-0']['results']['rows']}
    assert rows['top-1'][0] == top1
    assert summary['task'] == 'classification' and '8 epochs' in summary['facts_line']
    commands = page['data-run-0']['commands']
    assert [Path(line.split()[1]).stem for line in commands] == ['train', 'test']
    assert all(str(run) in line for line in commands)
    assert [panel['title'] for panel in page['data-run-0']['panels']][:1] == ['Training loss']
    files = [one['src'] for one in page['data-run-0-files-0']]
    assert len(files) == 18 and all(one.startswith('data:image/png;base64,') for one in files)
    assert not re.search(r'(src|href)="http', text)  # self-contained


def test_compile_is_passed_on(run, image_folder, tmp_path, monkeypatch):
    compiled = []
    for user in ('engine.runner', 'cli.commands.demo'):
        monkeypatch.setattr(f'convnext_dense.{user}.compile_backbone', compiled.append)
    image = str(next(image_folder.rglob('*.*')))
    for flag in ([], ['--compile']):
        assert train(image_folder, tmp_path / f'run{len(flag)}', '--epochs', '1', *flag) == 0
        assert test(image_folder, run, *flag) == 0
        demo = [ATTO, str(run), image, '--out-dir', str(tmp_path / 'drawn'), *flag]
        assert run_verb('demo', [*demo, '--cfg-options', *SMALL]) == 0
        assert len(compiled) == (3 if flag else 0)
    assert all(model.backbone for model in compiled)


def test_an_official_file_is_tested_as_it_is(run, image_folder, tmp_path, capsys):
    content = torch.load(run / 'epoch_8.pth', weights_only=True)
    path, out = tmp_path / 'official.pth', tmp_path / 'metrics.json'
    names = {'model': 'state_dict', 'model_ema': 'ema_state_dict'}
    official = {n: {k.removeprefix('backbone.'): t for k, t in content[own].items()} for n, own in names.items()}
    torch.save(official, path)
    assert test(image_folder, path, '--out', str(out)) == 0
    metrics, logged = json.loads(out.read_text())['metrics'], read_scalars(run)
    for name in ('raw/top1', 'ema/top1'):
        assert metrics[name] == logged[f'val/{name}'][-1][1]
    torch.save({**official, 'meta': {'CLASSES': ('blue', 'green', 'pink')}}, path)  # as mmcv wrote them
    assert test(image_folder, path) == 2
    assert 'val/red is a class that is not among the known ones (blue, green, pink)' in capsys.readouterr().err


def test_pretrained_weights_move_to_other_classes_and_another_resolution(run, own_image_folder, tmp_path, capsys):
    for split in ('train', 'val'):
        (own_image_folder / split / 'red').rename(tmp_path / split)
    argv = ['configs/classification/convnext_t_22k_to_1k.py', '--data', str(own_image_folder)]
    argv += ['--work-dir', str(tmp_path / 'w'), '--pretrained', str(run / 'epoch_8.pth'), '--epochs', '1']
    larger = [option.replace('=32', '=64') if 'input_size' in option else option for option in SMALL]
    assert run_verb('train', [*argv, '--cfg-options', *larger, 'model.backbone.arch=atto']) == 0
    said = capsys.readouterr().out
    named = 'it is for 3 classes, 2 of them named as in the data and learned anew: blue, green'
    assert f'fresh: head; left over in the file: head ({named})' in said
    before, after = (torch.load(p, weights_only=True) for p in (run / 'epoch_8.pth', tmp_path / 'w' / 'epoch_1.pth'))
    stem, head = 'backbone.downsample_layers.0.0.weight', 'head.weight'
    # two steps at lr 1e-3: far less at the stem, by the layer decay
    assert 0 < (before['state_dict'][stem] - after['state_dict'][stem]).abs().max() < 1e-3
    assert after['state_dict'][head].shape == (2, 320)
    assert after['state_dict'][head].abs().max() < 0.001 * 0.1 + 3e-3  # head_init_scale 0.001
    assert 'ema_state_dict' not in after


def test_the_schedule_and_the_total_batch_are_followed(image_folder, tmp_path, capsys):
    options = ('train_cfg.total_batch_size=24', 'optim_wrapper.optimizer.lr=6e-3', 'model.mixup=None')
    assert train(image_folder, tmp_path, '--epochs', '20', options=options) == 0
    log = capsys.readouterr().out
    assert 'total batch 24 = 8 per process x 1 process x 3 accumulated; lr 0.006 (the config: 0.006 at 24)' in log
    lr = [value for _, value in read_scalars(tmp_path)['train/lr']]
    assert len(lr) == 40  # 48 images: two steps an epoch
    # 20 of 300 epochs warm up: 2 of 40 steps; then a cosine over the other 38
    assert lr[0] == pytest.approx(6e-9, rel=1e-3)
    assert lr[2] == pytest.approx(6e-3)
    middle = 2 + 19
    assert lr[middle] == pytest.approx(6e-3 * (1 + 2.5e-4) / 2, rel=1e-3)
    assert lr[-1] < 2e-5


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_two_processes_train_like_one(image_folder, tmp_path):
    """Same total batch, reached by 2 processes x 4 x 2 accumulated, and by one process at once."""
    options = ['model.mixup=None', 'train_cfg.total_batch_size=16', 'default_hooks.ema.momentum=0.5']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    gradients = {}
    for name, processes, batch in (('one', 1, 16), ('two', 2, 4)):
        work_dir = tmp_path / name
        launch = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2'] if processes == 2 else []
        command = [sys.executable, *launch, '-m', 'tests.helpers.run_tool', str(tmp_path / f'{name}.pt'), ATTO]
        command += ['--data', str(image_folder), '--work-dir', str(work_dir), '--epochs', '1']
        command += ['--launcher', 'pytorch'] if processes == 2 else []
        command += ['--cfg-options', *SMALL, *options, f'train_dataloader.batch_size={batch}']
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        gradients[name] = torch.load(tmp_path / f'{name}.pt')
    assert len(gradients['one']) == len(gradients['two']) == 3
    # the first step starts from equal weights; AdamW then turns rounding into steps
    for one, two in zip(gradients['one'][0], gradients['two'][0], strict=True):
        assert torch.allclose(one, two, atol=1e-6 * float(one.abs().max()) + 1e-9, rtol=1e-4)
    one, two = (dict(losses(tmp_path / name)) for name in ('one', 'two'))
    assert one[1] == pytest.approx(two[1], rel=1e-5)
    assert one == pytest.approx(two, rel=0.05)
    counts = [read_scalars(tmp_path / name)['val/raw/images'] for name in ('one', 'two')]
    assert counts[0] == counts[1] == [(1, 18.0)]


def test_installed_command_and_tools_are_the_same(capsys):
    shown = []
    for command in (
        [sys.executable, 'tools/train.py'],
        [str(Path(sys.executable).parent / 'convnext-dense'), 'train'],
    ):
        done = subprocess.run([*command, '--help'], cwd=ROOT, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout.split('\n\n', 1)[1])
    assert shown[0] == shown[1]
    for argument in (
        '--data',
        '--work-dir',
        '--pretrained',
        '--resume',
        '--amp',
        '--seed',
        '--epochs',
        '--launcher',
    ):
        assert argument in shown[0]


def test_csv_is_plain(run):
    with open(next(run.glob('*/vis_data/scalars.csv')), newline='') as file:
        rows = list(csv.DictReader(file))
    assert rows[0].keys() == {'step', 'name', 'value'}
    expected = {'train/loss', 'train/lr', 'train/time', 'host_memory', 'val/raw/top1', 'val/ema/top1'}
    assert expected <= {row['name'] for row in rows}
