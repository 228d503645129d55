"""Errors for lack of memory in commands: a line with the size, the phase, and three remedies of the command."""

import argparse
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config

from convnext_dense.cli import run_verb
from convnext_dense.cli.main import build_parser
from convnext_dense.cli.out_of_memory import explained_memory
from convnext_dense.engine.workers import explain_dead_workers
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ATTO, ROOT, train

CUDA = (
    'CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.69 GiB of which 1.20 GiB is '
    'free. '
    'Including non-PyTorch memory, this process has 22.4 GiB memory in use.'
)
CPU = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
)


def config(batch=16, **backbone):
    return Config(
        dict(
            task='detection',
            train_dataloader=dict(batch_size=batch, num_workers=4),
            val_dataloader=dict(batch_size=8, num_workers=4),
            test_dataloader=dict(batch_size=8, num_workers=4),
            optim_wrapper=dict(type='OptimWrapper'),
            model=dict(backbone=dict(type='convnext_dense.ConvNeXt', **backbone)),
        )
    )


def explain(verb, error, cfg=None, goes_on=None, **given):
    args = argparse.Namespace(**{'resume': None, 'batch': None, 'amp': None, 'tile': None, 'cfg_options': {}, **given})
    with pytest.raises(UserError) as raised, explained_memory(args, build_parser(verb).flags, cfg, goes_on):
        raise error
    assert '\n' not in str(raised.value)
    return str(raised.value)


def test_training_on_a_gpu():
    message = explain('train', torch.OutOfMemoryError(CUDA), config(), lambda: 'continue')
    assert message.startswith('the GPU is out of memory: 2.5 GB were asked for')
    assert (
        message.endswith(': try --batch auto, or --amp bf16, or --tile 512 (large images in parts); continue')
        or '--amp bf16' in message
    )
    again = explain('train', torch.OutOfMemoryError(CUDA), config(), resume='', batch='auto', amp='fp16')
    assert '--batch 8' in again and '--amp' not in again and '--image-size' not in again
    assert '--batch' not in explain('train', torch.OutOfMemoryError(CUDA), config(batch=1))


@pytest.mark.parametrize(
    ('error', 'asked'),
    [
        (RuntimeError(CPU + '4294967296 bytes. Error code 12 (Cannot allocate memory)'), '4.0 GB were asked for, '),
        (np._core._exceptions._ArrayMemoryError((2**30,), np.dtype(float)), '8.0 GB were asked for, '),
        (MemoryError(), ''),
        (OSError(12, 'Cannot allocate memory'), ''),
    ],
)
def test_the_machine_has_no_memory(error, asked):
    message = explain('train', error, config())
    free = r'[\d.]+ GB are free, and this process holds [\d.]+: try --batch auto, or '
    assert re.match(f'the machine is out of memory: {asked}{free}', message)
    assert message.count(', or ') == 2


@pytest.mark.parametrize(
    ('verb', 'loader', 'cfg', 'expected'),
    [
        ('train', 'train_dataloader', config(), ['train_dataloader.num_workers=2', '--batch auto', '--tile 512']),
        ('test', 'test_dataloader', config(), ['test_dataloader.num_workers=2', 'batch_size=1', 'tile']),
        ('test', 'test_dataloader', None, ['test_dataloader.num_workers=0', 'batch_size=1', 'tile']),
        ('probe', 'val_dataloader', None, ['val_dataloader.num_workers=0', '--image-size H W', 'other programs']),
    ],
)
def test_a_worker_that_was_killed_has_remedies_too(verb, loader, cfg, expected):
    def died():
        with explain_dead_workers(loader, resumes=verb == 'train'):
            raise RuntimeError('DataLoader worker (pid 7) is killed by signal: Killed. ')

    with pytest.raises(UserError) as raised:
        died()
    message = explain(verb, raised.value, cfg, lambda: 'continue')
    said = 'loader worker 7 died (Killed), most likely killed because it ran out of memory'
    assert message.startswith(f'{said}: try ') and message.endswith('; continue')
    remedies = message.partition(': try ')[2].split(', or ')
    assert len(remedies) == 3 and all(one in said for one, said in zip(expected, remedies, strict=True)), remedies


@pytest.mark.parametrize(
    ('verb', 'given', 'expected'),
    [
        ('test', {}, ['--cfg-options test_dataloader.batch_size=1', '--tile 512 (large', '--image-size H W']),
        ('demo', {'batch_size': 4}, ['--batch-size 1', '--tile 512 (large', '--image-size H W']),
        ('demo', {'batch_size': 1, 'tile': 64}, ['--image-size H W', '--device cpu', 'a smaller backbone']),
        ('export_onnx', {}, ['--image-size H W', 'a smaller --shape', 'a smaller backbone']),
        ('benchmark', {}, ['--batch 1', 'with --size', '--device cpu']),
    ],
)
def test_remedies_are_flags_that_the_command_has(verb, given, expected):
    message = explain(verb, RuntimeError('CUDNN_STATUS_ALLOC_FAILED'), **given)
    remedies = message.partition(': try ')[2].split(', or ')
    assert len(remedies) == 3
    for remedy, part in zip(remedies, expected, strict=True):
        assert part in remedy
    flags = set(re.findall(r'--[a-z-]+', message))
    assert flags <= build_parser(verb).flags


def test_the_phase_is_found_on_the_stack():
    """Here a real backward pass that runs out of a real machine's address space."""
    x = torch.ones(1, requires_grad=True)

    class Huge(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad + torch.empty(2**50)[0]

    args = argparse.Namespace(resume=None, batch=None, amp=None, tile=None, cfg_options={})
    flags = build_parser('train').flags
    said = pytest.raises(UserError, match=r'in the backward pass: 4194304\.0 GB were asked for')  # 2**52 bytes
    with said, explained_memory(args, flags, config()):
        Huge.apply(x).backward()
    other = pytest.raises(RuntimeError, match='shapes cannot be multiplied')
    with other, explained_memory(args, flags, config()):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_run_says_where_it_goes_on(error, image_folder, tmp_path, monkeypatch):
    from convnext_dense.engine import TrainLoop

    assert train(image_folder, tmp_path / 'run', '--epochs', '2') == 0
    run_iter = TrainLoop.run_iter

    def fails(self, idx, batch):
        if self.epoch == 0:
            return run_iter(self, idx, batch)
        raise torch.OutOfMemoryError(CUDA)

    monkeypatch.setattr(TrainLoop, 'run_iter', fails)
    monkeypatch.setattr('sys.argv', ['tools/train.py'])
    assert train(image_folder, tmp_path / 'other', '--epochs', '2') == 2
    message = error()
    assert 'nothing up to epoch_1.pth is lost, continue there with: ' in message
    assert message.rstrip().endswith(' --resume')
    assert 'try --batch 4, or ' in message and '--image-size' not in message  # which a resumed run may have, or not


def test_no_checkpoint_yet(error, image_folder, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError(CPU + '1073741824 bytes.')

    monkeypatch.setattr('convnext_dense.engine.TrainLoop.run_iter', fails)
    assert train(image_folder, tmp_path / 'run') == 2
    message = error()
    assert 'the machine is out of memory: 1.0 GB were asked for' in message
    assert 'the run has no checkpoint yet: start it again' in message


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_process_with_a_real_limit(image_folder, tmp_path):
    """The limit is on its address space, above what it takes to start."""
    arguments = [
        *(str(ROOT / ATTO), '--data', str(image_folder), '--work-dir', str(tmp_path / 'run'), '--epochs', '1'),
        *('--cfg-options', 'train_dataloader.batch_size=48', 'train_cfg.total_batch_size=48'),
        *('train_dataloader.num_workers=0', 'val_dataloader.num_workers=0'),
    ]
    script = f"""
import resource, sys
from convnext_dense.cli import run_verb
import convnext_dense.cli.commands.train
from convnext_dense.engine import TrainLoop
run_iter = TrainLoop.run_iter
def limited(self, idx, batch):
    size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 50 * 2**20, resource.RLIM_INFINITY))
    return run_iter(self, idx, batch)
TrainLoop.run_iter = limited
sys.exit(run_verb('train', {arguments!r}))
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=280, cwd=tmp_path)
    assert done.returncode == 2, done.stderr[-2000:]
    last = done.stderr.strip().splitlines()[-1]
    assert re.match(r'error: the machine is out of memory in the (forward|backward) pass: [\d.]+ GB were asked', last)
    assert 'try --batch auto' in last and 'start it again' in last


def test_other_commands(error, tmp_path, monkeypatch):
    monkeypatch.setattr('convnext_dense.cli.commands.flops.run', lambda args: torch.empty(2**50))
    assert run_verb('flops', [ATTO]) == 2
    assert 'the machine is out of memory: 4194304.0 GB were asked for' in error()
