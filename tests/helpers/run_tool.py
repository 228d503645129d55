"""Running the tools on data that take seconds."""

import os
import sys
from ast import literal_eval
from pathlib import Path

from convnext_dense.cli import run_verb
from convnext_dense.config.machine import fit_to_machine
from convnext_dense.config.precision import set_amp
from convnext_dense.config.read import read_config
from convnext_dense.engine import Runner

ROOT = Path(__file__).parents[2]
ATTO = 'configs/classification/convnext_a.py'
# What makes a run take seconds: small images and batches, every step logged.
SMALL = [
    'train_dataloader.batch_size=8',
    'train_cfg.total_batch_size=8',
    *(f'{loader}_dataloader.num_workers=0' for loader in ('train', 'val', 'test')),
    *(f'{loader}_dataloader.dataset.transform.input_size=32' for loader in ('train', 'val', 'test')),
    'optim_wrapper.optimizer.lr=1e-3',
    'default_hooks.logger.interval=1',
    'log_processor.window_size=1',
    'default_hooks.checkpoint.best=None',
]


def train(data: Path | str, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    """``train`` with its arguments; returns the exit code."""
    argv = [ATTO, '--data', str(data), '--work-dir', str(work_dir), *arguments]
    if '--epochs' not in arguments:
        argv += ['--epochs', '2']
    return run_verb('train', [*argv, '--cfg-options', *SMALL, *options])


def test(data: Path | str, checkpoint: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    """``test`` with its arguments; returns the exit code."""
    return run_verb(
        'test', [ATTO, str(checkpoint), '--data', str(data), *arguments, '--cfg-options', *SMALL, *options]
    )


def train_config(config: str, data: Path, work_dir: Path, options: dict) -> None:
    """Train a config's smallest sibling without validation: what the recipe does, in a second or two."""
    small = {key: literal_eval(value) for key, value in (option.split('=') for option in SMALL)}
    arch = dict(depths=[1, 1, 4, 1], dims=[4, 8, 12, 16])
    cfg = read_config(config, {**small, 'model.mixup': None, **options}, str(data))
    cfg.work_dir, cfg.pretrained, cfg.model.backbone.arch = str(work_dir), None, arch
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    set_amp(cfg, 'off')
    fit_to_machine(cfg)
    Runner.from_cfg(cfg).train()


test.__test__ = False  # not a test, whatever its name says

if (
    __name__ == '__main__'
):  # a process of a distributed run: python -m tests.helpers.run_tool GRADIENTS train-arguments...
    import torch
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    from convnext_dense.cli.main import end_process

    steps: list[list[torch.Tensor]] = []

    def keep_gradients(optimizer: torch.optim.Optimizer, *_: object) -> None:
        groups = {group['group_name']: group['params'] for group in optimizer.param_groups}
        steps.append([p.grad.clone() for name in sorted(groups) for p in groups[name]])

    register_optimizer_step_pre_hook(keep_gradients)
    code = run_verb('train', sys.argv[2:])
    if os.environ.get('RANK', '0') == '0':
        torch.save(steps, sys.argv[1])
    end_process(code)  # as a command does, before threads of the process group abort it
