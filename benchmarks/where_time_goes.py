"""Measure the time of ConvNeXt-T's forward pass and training step by kind of operation, ours and timm's.

    python benchmarks/where_time_goes.py [--threads 2] [--batch 8] [--rounds 5]

The matrix products are the same in both, so no implementation can save their time: the total time divided by it is the
largest possible speedup on this machine.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Callable
from functools import partial

import timm
import torch
from torch.profiler import ProfilerActivity, profile

from convnext_dense import ConvNeXt

KINDS = {
    'products': ('mm', 'addmm', 'addmm_', '_linear_pointwise', '_slow_conv2d_forward'),
    'convolutions': ('mkldnn_convolution', 'convolution_backward', '_conv_depthwise2d'),
    'GELU': ('gelu', 'gelu_', 'gelu_backward'),
    'LayerNorm': ('native_layer_norm', 'native_layer_norm_backward'),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    models = {
        'ours': ConvNeXt('tiny', out_indices=None, layer_scale_init_value=0.5),
        'timm': timm.create_model('convnext_tiny', num_classes=0),
    }
    images = torch.randn(args.batch, 3, 224, 224)
    for what, run in (('forward', forward), ('training step, without the optimizer', step)):
        rounds: dict[str, list[Counter]] = {name: [] for name in models}
        for _ in range(args.rounds):
            for name, model in models.items():
                rounds[name].append(milliseconds(partial(run, model, images)))
        print(f'{what}, {args.batch} images, {args.threads} threads: ms, medians of {args.rounds} rounds')
        for name, counters in rounds.items():
            medians = {kind: statistics.median(c[kind] for c in counters) for kind in (*KINDS, 'others', 'all')}
            limit = medians['all'] / medians['products']
            print(
                f'  {name}: ' + ', '.join(f'{k} {v:.0f}' for k, v in medians.items()) + f'; all / products {limit:.2f}'
            )


@torch.inference_mode()
def forward(model: torch.nn.Module, images: torch.Tensor) -> None:
    model.eval()(images)


def step(model: torch.nn.Module, images: torch.Tensor) -> None:
    model.train().zero_grad()
    model(images).square().mean().backward()


def milliseconds(run: Callable[[], None]) -> Counter:
    run()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run()
    spent: Counter = Counter()
    for event in profiled.key_averages():
        name = event.key.split('::')[-1]
        kind = next((kind for kind, names in KINDS.items() if name in names), 'others')
        spent[kind] += event.self_cpu_time_total / 1e3
        spent['all'] += event.self_cpu_time_total / 1e3
    return spent


if __name__ == '__main__':
    main()
