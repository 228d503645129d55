"""Measure masked pre-training, with both ways to leave hidden patches out, beside the dense network of the same size.

    python benchmarks/fcmae.py --threads 2 --out benchmarks/fcmae.json

Three networks with the same weights, images and masks run in rotating order in one process: with the visible patches
stacked, with the hidden ones zeroed, and dense, without a mask in the encoder, with the same decoder and loss. A
training step is forward, backward and AdamW; the forward pass is without gradients, as in evaluation. On a machine
with other work, --processor-time counts the time of all threads on the processor, which varies less.
"""

from __future__ import annotations

import argparse
import copy
import json
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from convnext_dense.analysis.environment import environment
from convnext_dense.benchmark.setting import Setting
from convnext_dense.benchmark.timing import Contender, Row, Series, measure, relative_difference
from convnext_dense.benchmark.weights import randomize
from convnext_dense.models import FCMAE
from convnext_dense.models.patches import draw_visible, visible_count

ARCHS = ('atto', 'tiny')
TOLERANCE = {'fp32': 1e-3}
"""Difference of the losses or outputs of both ways, relative."""


class WithoutMask(nn.Module):
    """A backbone that sees all patches."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor, visible: object) -> Tensor:
        out: Tensor = self.backbone(images)
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--arch', nargs='+', default=ARCHS, help=f'sizes (default: {" ".join(ARCHS)})')
    parser.add_argument('--version', type=int, default=2, help='1 or 2 (default: 2)')
    parser.add_argument('--batch', type=int, default=8, help='images of a step (default: 8)')
    parser.add_argument('--size', type=int, default=224, help='height and width of the images (default: 224)')
    parser.add_argument('--mask-ratio', type=float, default=0.6, help='share of hidden patches (default: 0.6)')
    parser.add_argument('--threads', type=int, help='threads on a CPU (default: those of torch)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--seconds', type=float, default=60, help='duration of the rounds of a series (default: 60)')
    parser.add_argument(
        '--processor-time', action='store_true', help='measure the time of all threads on the processor'
    )
    parser.add_argument('--out', metavar='FILE.json', help='write the measurements')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    setting = Setting(torch.device(args.device), seconds=args.seconds, say=partial(print, file=sys.stderr))
    measured = [series for arch in args.arch for series in compare(arch, args, setting)]
    series = [{'what': one.what, 'about': one.about, 'rows': [_as_json(row) for row in one.rows]} for one in measured]
    command = f'python {shlex.join(["benchmarks/fcmae.py", *sys.argv[1:]])}'
    content = json.dumps({'command': command, 'environment': environment(), 'series': series}, indent=1)
    print(content)
    if args.out:
        Path(args.out).write_text(f'{content}\n')


def compare(arch: str, args: argparse.Namespace, setting: Setting) -> Iterator[Series]:
    """Measure the training step and the forward pass of a size.

    Args:
        arch: a name of :data:`~convnext_dense.archs.ARCHS`.
        args: the arguments of the command line.
        setting: device and duration.
    """
    torch.manual_seed(0)
    model = FCMAE(dict(type='convnext_dense.ConvNeXt', arch=arch, version=args.version), mask_ratio=args.mask_ratio)
    randomize(model.backbone)
    images = torch.randn(args.batch, 3, args.size, args.size, device=setting.device)
    patches = (args.size // 32) ** 2
    count = visible_count(patches, args.mask_ratio)
    visible = draw_visible(args.batch, patches, count).to(setting.device)
    shape = ' x '.join(map(str, images.shape))
    about = f'ConvNeXt V{args.version} {arch}, {shape}, {count} of {patches} patches visible'
    for what, make in (('training step', _training), ('forward', _forward)):
        contenders = [
            make(name, _network(model, name).to(setting.device), images, visible)
            for name in ('stacked', 'zeroed', 'dense')
        ]
        with setting.precisely(training=what == 'training step'):
            check = contenders[0].check
            assert check is not None
            series = Series(what, about, args.batch)
            clock = time.process_time if args.processor_time else time.perf_counter
            yield measure(series, contenders, check(), TOLERANCE, setting, _differ, clock)


def _network(model: FCMAE, name: str) -> FCMAE:
    own = copy.deepcopy(model)
    own.stacked = name == 'stacked'
    if name == 'dense':
        own.backbone = WithoutMask(own.backbone)  # type: ignore[assignment]
    return own


def _training(name: str, model: FCMAE, images: Tensor, visible: Tensor) -> Contender:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=0.0)  # so that the losses stay equal

    def loss() -> Tensor:
        losses = model(images, mode='loss', visible=visible)
        assert isinstance(losses, dict)
        return losses['loss']

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return Contender(name, 'fp32', '', step, _check(name, lambda: [loss().detach()]), loss, model)


def _forward(name: str, model: FCMAE, images: Tensor, visible: Tensor) -> Contender:
    model.eval()

    @torch.inference_mode()
    def forward() -> list:
        return [model(images, visible=visible)]

    return Contender(name, 'fp32', '', forward, _check(name, forward), None, model)


def _check(name: str, result: Callable[[], list]) -> Callable[[], list]:
    return list if name == 'dense' else result  # the dense network has other results


def _differ(found: list, reference: list) -> float:
    return relative_difference(found, reference) if found else 0.0


def _as_json(row: Row) -> dict:
    if row.problem:
        sys.exit(f'{row.label}: {row.problem}')
    slow, median, fast = reversed(statistics.quantiles(row.seconds, method='inclusive'))
    return {
        'name': row.name,
        'steps_per_second': round(1 / median, 3),
        'seconds': {'median': round(median, 4), 'quartiles': [round(fast, 4), round(slow, 4)]},
        'rounds': len(row.seconds),
        'memory': row.memory,
        'difference': None if row.name == 'dense' else row.difference,
    }


if __name__ == '__main__':
    main()
