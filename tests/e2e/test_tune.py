"""A study of real training: killed in the middle of a trial, continued by two workers, and better than a bad start."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import ROOT

TRIALS, STEPS, INTERVAL = 6, 40, 20
BAD_LR = 2e-6  # a hundredth of what suits so few steps, where 2e-3 diverges
CONFIG = f"""
_base_ = '{ROOT}/configs/classification/convnext_a.py'
sample_settings = 'few_steps.py'
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters={STEPS}, val_interval={INTERVAL})
param_scheduler = [dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end={STEPS})]
log_processor = dict(by_epoch=False)
default_hooks = dict(logger=dict(log_metric_by_epoch=False), ema=None)
"""
FEW_STEPS = f"""
_base_ = '{ROOT}/configs/_base_/sample/classification_atto.py'
train_cfg = dict(_delete_=True, max_iters={STEPS}, total_batch_size=32)
default_hooks = dict(checkpoint=dict(interval=5, keep=1))
"""


def start(config: Path, work_dir: Path) -> subprocess.Popen:
    workers = [f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')]
    argv = ['tools/tune.py', str(config), '--data', 'sample', '--trials', str(TRIALS), '--work-dir', str(work_dir)]
    argv += ['--search', 'lr=1e-6:1e-3', '--only', 'lr', '--pruner', 'none']
    argv += ['--cfg-options', f'optim_wrapper.optimizer.lr={BAD_LR}', *workers]
    return subprocess.Popen(
        [sys.executable, *argv], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def training_in(folder: Path) -> list[int]:
    """Ids of the processes that train in a folder."""
    found = []
    for one in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            words = one.read_bytes().decode().split('\0')
        except OSError:
            continue
        if 'convnext_dense.cli.trial_process' in words and str(folder) in words:
            found.append(int(one.parent.name))
    return found


def wait_for(condition, seconds: float = 200) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)
    return condition()


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_killed_study_is_continued_by_two_workers_and_finds_a_better_lr(tmp_path, capsys):
    config, work_dir = tmp_path / 'few.py', tmp_path / 'study'
    config.write_text(CONFIG)
    (tmp_path / 'few_steps.py').write_text(FEW_STEPS)
    first = work_dir / 'trial_000'
    processes = [start(config, work_dir)]
    try:
        assert wait_for(lambda: any(first.glob('iter_*.pth'))), processes[0].stdout.read()
        (training,) = training_in(first)
        os.kill(processes[0].pid, signal.SIGKILL)
        assert wait_for(lambda: not training_in(first), 60), 'its training stops with it'
        saved = max(int(re.findall(r'\d+', file.name)[0]) for file in first.glob('iter_*.pth'))
        assert 0 < saved < STEPS and training not in training_in(first)

        processes += [start(config, work_dir), start(config, work_dir)]
        printed = [process.communicate(timeout=420)[0] for process in processes[1:]]
        assert [process.returncode for process in processes[1:]] == [0, 0], printed
    finally:
        for process in processes:
            process.kill()
    study = json.loads((work_dir / 'tune.json').read_text())
    assert [trial['state'] for trial in study['trials']] == ['finished'] * TRIALS
    assert sorted(folder.name for folder in work_dir.glob('trial_*')) == [f'trial_00{k}' for k in range(TRIALS)]
    assert sum('taken up where it was interrupted' in text for text in printed) == 1

    commands = {trial: (work_dir / trial / 'commands.txt').read_text().splitlines() for trial in os.listdir(work_dir)
                if trial.startswith('trial_')}  # fmt: skip
    assert [len(lines) for _, lines in sorted(commands.items())] == [2, 1, 1, 1, 1, 1]
    assert '--resume' not in commands['trial_000'][0] and '--resume' in commands['trial_000'][1]
    logged = [step for step, _ in read_scalars(first)['train/loss']]
    assert logged == sorted(set(logged)) and logged[-1] == STEPS
    text = (first / 'output.log').read_text()
    assert re.search(rf'resum.*\b{saved}\b', text), 'it goes on after the last saved step'
    for trial in study['trials']:
        values = [value for _, value in read_scalars(work_dir / trial['folder'])['val/raw/top1']]
        assert trial['validations'] == values and trial['value'] == max(values) and len(values) == STEPS // INTERVAL

    bad, best = study['trials'][0], study['best']
    assert bad['values'] == {'lr': BAD_LR} and BAD_LR * 3 < best['values']['lr'] <= 1e-3
    assert best['value'] > bad['value'] + 5
    with capsys.disabled():
        print(f'\nlr {BAD_LR:g}: {bad["value"]:.2f}, lr {best["values"]["lr"]:g}: {best["value"]:.2f}')

    assert run_verb('test', [str(work_dir / best['folder'] / 'best.pth')]) == 0
    assert f'{best["value"]:.2f}' in capsys.readouterr().out
    assert run_verb('report', [str(work_dir)]) == 0
    page = (work_dir / 'report.html').read_text()
    assert 'Search for settings' in page and 'Settings of all trials' in page and 'trial_005' in page
