"""Measure memory and time of a training step with a trained, half frozen, frozen and adapted backbone, side by side.

    python benchmarks/frozen.py --threads 2 --out benchmarks/frozen.json

A classifier, UPerNet and a linear head on ConvNeXt-T, each with the same weights, images and loss, run in rotating
order in one process. Memory is what autograd keeps for the backward pass on a CPU, and the allocator's peak on a GPU.
"""

from __future__ import annotations

import argparse
import copy
import json
import shlex
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from convnext_dense.analysis.environment import environment
from convnext_dense.benchmark.dense import random_batch
from convnext_dense.benchmark.setting import Setting
from convnext_dense.benchmark.timing import Contender, Row, Series, measure
from convnext_dense.benchmark.weights import randomize
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.io.image_size import ImageSize
from convnext_dense.models.lora import LoraSettings, insert_adapters
from convnext_dense.tasks import smallest_head, task_of

MODELS = {
    'classifier': 'classification/convnext_t',
    'UPerNet': 'seg/upernet_convnext_t_ade20k',
    'linear head': 'seg/linear_dinov3_t_ade20k',
}
FROZEN = {'trained': -1, 'frozen_stages=2': 2, 'frozen': 4}
"""By the name of each contender, ``frozen_stages`` of its backbone."""
LORA = LoraSettings(rank=8, alpha=8.0)
TOLERANCE = {'fp32': 1e-4}
"""Difference of the losses, relative."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=8, help='images of a step (default: 8)')
    parser.add_argument('--size', type=int, default=128, help='height and width of the images (default: 128)')
    parser.add_argument('--threads', type=int, help='threads on a CPU (default: those of torch)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--seconds', type=float, default=60, help='duration of the rounds of a model (default: 60)')
    parser.add_argument('--out', metavar='FILE.json', help='write the measurements')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(torch.device(args.device), seconds=args.seconds, say=partial(print, file=sys.stderr))
    measured = [compare(name, config, args.batch, args.size, setting) for name, config in MODELS.items()]
    series = [{'what': one.what, 'about': one.about, 'rows': [_as_json(row) for row in one.rows]} for one in measured]
    command = f'python {shlex.join(["benchmarks/frozen.py", *sys.argv[1:]])}'
    content = json.dumps({'command': command, 'environment': environment(), 'series': series}, indent=1)
    print(content)
    if args.out:
        Path(args.out).write_text(f'{content}\n')


def compare(name: str, config: str, batch: int, side: int, setting: Setting) -> Series:
    """Measure the training steps of a model.

    Args:
        name: the kind of the model, a key of :data:`MODELS`.
        config: name of its config.
        batch: images of a step.
        side: height and width of the images in pixels.
        setting: device and duration.
    """
    cfg = read_config(f'configs/{config}.py', needs_data=False)
    task = task_of(cfg)
    cfg.model.backbone.update(drop_path_rate=0.0, layer_scale_init_value=1.0, frozen_stages=-1)
    if name == 'classifier':
        cfg.model.mixup = None
        cfg.model.num_classes = classes = 1000
        inputs = dict(inputs=torch.randn(batch, 3, side, side), labels=torch.arange(batch) % classes)
    else:
        task.set_training_shape(cfg, ImageSize(side, side))
        for head in {'decode_head', 'auxiliary_head'} & cfg.model.keys():
            cfg.model[head].update(dropout_ratio=0.0, norm_cfg=dict(type='BN', requires_grad=True))
        inputs = random_batch(task, cfg.default_scope, smallest_head(cfg), batch, ImageSize(side, side))
    weights = build_model(cfg)
    randomize(weights)

    def contenders() -> Iterator[Contender]:
        for label, stages in FROZEN.items():
            own = copy.deepcopy(cfg)
            own.model.backbone.frozen_stages = stages
            model = build_model(own)
            model.load_state_dict(weights.state_dict())
            yield _contender(label, model.to(setting.device).train(), inputs)
        adapted = copy.deepcopy(weights)
        insert_adapters(adapted, LORA)
        yield _contender(f'LoRA, rank {LORA.rank}', adapted.to(setting.device).train(), inputs)

    found = list(contenders())
    about = f'{name} on ConvNeXt-T, {batch} x 3 x {side} x {side}'
    with setting.precisely(training=True):
        check = found[0].check
        assert check is not None
        return measure(Series(name, about, batch), found, check(), TOLERANCE, setting)


def _contender(label: str, model: nn.Module, inputs: dict) -> Contender:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0)  # so that the losses stay equal
    step, loss = _step(model, inputs, optimizer)
    return Contender(label, 'fp32', '', step, lambda: [loss().detach()], loss, model)


def _step(
    model: nn.Module, inputs: dict, optimizer: torch.optim.Optimizer
) -> tuple[Callable[[], None], Callable[[], Tensor]]:
    def loss() -> Tensor:
        prepared = model.data_preprocessor(copy.deepcopy(inputs), True)
        return model.parse_losses(model(**prepared, mode='loss'))[0]

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step, loss


def _as_json(row: Row) -> dict:
    if row.problem:
        sys.exit(f'{row.label}: {row.problem}')
    slow, median, fast = reversed(statistics.quantiles(row.seconds, method='inclusive'))
    return {
        'name': row.name,
        'seconds': {'median': round(median, 4), 'quartiles': [round(fast, 4), round(slow, 4)]},
        'rounds': len(row.seconds),
        'memory': row.memory,
        'difference': row.difference,
    }


if __name__ == '__main__':
    main()
