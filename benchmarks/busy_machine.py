"""Time training steps with each way of torch's threads to wait for each other, alone and beside a busy process.

    python benchmarks/busy_machine.py [--minutes 6] [--busy 1] [--settings default GOMP_SPINCOUNT=1000] [--threads 2]

Each setting of the environment has a process of its own. They take turns of a few steps, and sleep in between. Prints
for every model the median step, its quartiles, and its ratio to that with torch's default, and writes them to
busy_machine.json beside this file. ``others`` is how many cores other processes used meanwhile, also the busy one of
this script: what is measured "alone" counts only where it is about 0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SETTINGS = (
    *('default', 'OMP_WAIT_POLICY=passive', 'GOMP_SPINCOUNT=1000', 'GOMP_SPINCOUNT=2000', 'GOMP_SPINCOUNT=5000'),
    'OMP_NUM_THREADS=1',
)
DEFAULT = SETTINGS[0]
STEPS = {'atto 8 x 128': 4, 'UPerNet atto 2 x 128': 2, 'tiny 8 x 224': 1}  # of a turn
VARIABLES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME', 'OMP_NUM_THREADS')
LEAST_ROUNDS = 2
# Ends by itself, should this script be killed.
BUSY_LOOP = 'import time\nend = time.monotonic() + 3600\nwhile time.monotonic() < end: pass'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=6, help='for everything (default: 6)')
    parser.add_argument('--busy', type=int, default=1, help='number of busy processes (default: 1)')
    parser.add_argument('--settings', nargs='+', default=SETTINGS, metavar='VARIABLE=VALUE|default')
    parser.add_argument('--models', nargs='+', default=list(STEPS), choices=STEPS)
    parser.add_argument('--threads', type=int, default=0, help='(default: as torch chooses)')
    parser.add_argument('--out', type=Path, default=Path(__file__).with_suffix('.json'))
    parser.add_argument('--worker', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.models, args.threads)

    end = time.monotonic() + 60 * args.minutes
    settings = list(dict.fromkeys([DEFAULT, *args.settings]))
    with contextlib.ExitStack() as stack:
        workers = {}
        for setting in settings:
            workers[setting] = stack.enter_context(worker(setting, args.models, args.threads))
            print(f'{setting}: {ask(workers[setting], None)} threads', file=sys.stderr)
        left = end - time.monotonic()
        found = {'alone': measure(workers, args.models, left / 3)}  # a step is slower beside a busy process
        with busy(args.busy):
            found[f'beside {args.busy} busy'] = measure(workers, args.models, end - time.monotonic())
    for condition, models in found.items():
        for model, rows in models.items():
            print(f'\n{model}, {condition}: ms a step, median and quartiles')
            default = rows[DEFAULT]['median']
            for setting, row in rows.items():
                spread = f'{row["median"]:8.0f}   {row["quartiles"][0]:.0f} to {row["quartiles"][1]:.0f}'
                about = f'{row["steps"]} steps, others {row["others"]:.1f}'
                print(f'  {setting:25}{spread:30}{row["median"] / default:6.2f} x default   {about}')

    from convnext_dense.analysis.environment import environment

    content = {'steps': found, 'busy': args.busy, 'environment': environment()}
    out = args.out / 'busy_machine.json' if args.out.is_dir() else args.out
    out.write_text(json.dumps(content, indent=2) + '\n')
    print(f'\nwritten to {out}')


Measured = dict[str, dict[str, dict[str, Any]]]


def measure(workers: dict[str, subprocess.Popen], models: list[str], seconds: float) -> Measured:
    """Let every worker run every model in turns until the time is over; results by model and setting."""
    end, rounds, longest = time.monotonic() + seconds, 0, 0.0
    turns: dict[str, dict[str, list]] = {model: {setting: [] for setting in workers} for model in models}
    while rounds < LEAST_ROUNDS or time.monotonic() + longest < end:
        start = time.monotonic()
        order = list(workers)
        order = order[rounds % len(order) :] + order[: rounds % len(order)]
        for model in models:
            for setting in order:
                turns[model][setting].append(ask(workers[setting], model))
        longest = max(longest, time.monotonic() - start)
        rounds += 1
    return {model: {setting: summary(of) for setting, of in rows.items()} for model, rows in turns.items()}


def summary(turns: list[dict]) -> dict[str, Any]:
    steps = [1e3 * second for turn in turns for second in turn['seconds']]
    quartiles = statistics.quantiles(steps, n=4) if len(steps) > 1 else 3 * steps
    return {
        'median': round(statistics.median(steps), 1),
        'quartiles': [round(quartiles[0], 1), round(quartiles[2], 1)],
        'steps': len(steps),
        'others': round(statistics.median(turn['others'] or 0.0 for turn in turns), 2),
    }


@contextlib.contextmanager
def worker(setting: str, models: list[str], threads: int) -> Iterator[subprocess.Popen]:
    """Start a process with a setting in its environment, and with none of this process's own."""
    env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if setting != DEFAULT:
        name, _, value = setting.partition('=')
        env[name] = value
    command = [sys.executable, __file__, '--worker', '--threads', str(threads), '--models', *models]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen, model: str | None) -> Any:
    """Return the answer of a worker: of a model's turn, or before the first one the number of its threads."""
    assert process.stdin and process.stdout
    if model is not None:
        process.stdin.write(f'{model}\n')
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit('a process ended early: its error is above')
    return json.loads(line)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, '-c', BUSY_LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def work(models: list[str], threads: int) -> None:
    """Make the models; then run those that standard input names, and print the seconds of each step."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # what libraries print is no answer
    import torch

    from convnext_dense_doctor.load import LoadMeter

    if threads:
        torch.set_num_threads(threads)
    steps = {model: make_step(model) for model in models}
    for step in steps.values():
        step()
    print(json.dumps(torch.get_num_threads()), file=answers, flush=True)
    for line in sys.stdin:
        model = line.strip()
        steps[model]()  # wakes the threads, and brings the weights back into the cache
        seconds, meter = [], LoadMeter()
        for _ in range(STEPS[model]):
            start = time.perf_counter()
            steps[model]()
            seconds.append(time.perf_counter() - start)
        load = meter.read()
        print(json.dumps({'seconds': seconds, 'others': load and load.busy}), file=answers, flush=True)


def make_step(name: str) -> Callable[[], None]:
    """Return a training step with AdamW, of a backbone or of a segmentor with its small operations."""
    import torch

    from convnext_dense import ConvNeXt

    torch.manual_seed(0)
    arch, batch, _, size = name.removeprefix('UPerNet ').split()
    if name.startswith('UPerNet'):
        model, loss = make_segmentor(arch, int(batch), int(size))
    else:
        model = ConvNeXt(arch, out_indices=None, layer_scale_init_value=0.5)
        images = torch.randn(int(batch), 3, int(size), int(size))

        def loss() -> torch.Tensor:
            return model(images).square().mean()

    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-5, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def make_segmentor(arch: str, batch: int, size: int) -> tuple[Any, Callable[[], Any]]:
    import numpy as np
    from mmengine.model import revert_sync_batchnorm

    from convnext_dense.config.read import read_config
    from convnext_dense.engine.building import build_model
    from convnext_dense.io.image_size import ImageSize
    from convnext_dense.tasks import task_of

    assert arch == 'atto'
    cfg = read_config('configs/seg/upernet_convnext_a_ade20k.py', needs_data=False)
    task, rng, shape = task_of(cfg), np.random.default_rng(0), ImageSize(size, size)
    task.set_training_shape(cfg, shape)
    model = revert_sync_batchnorm(build_model(cfg))
    samples = [task.random_sample(rng, shape, 150) for _ in range(batch)]
    data = {key: [sample[key] for sample in samples] for key in ('inputs', 'data_samples')}

    def loss() -> Any:
        return model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))[0]

    return model, loss


if __name__ == '__main__':
    main()
