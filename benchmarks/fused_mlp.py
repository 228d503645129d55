"""Time the two tuning constants of convnext_dense/models/fused_mlp.py on this machine, varying one at a time.

    python benchmarks/fused_mlp.py [--threads 2] [--rounds 9]

Prints the median time of ConvNeXt-T's forward pass and training step with each value, as a share of that with the
package's. All take turns in one process. Where another value is faster by more than the noise, it is better for this
machine. HIDDEN_ELEMENTS is the size of a chunk, LINEAR_AS_CONV2D the kind of product in the training of V2.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from convnext_dense import ConvNeXt
from convnext_dense.models import fused_mlp


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--threads', type=int, default=torch.get_num_threads())
    parser.add_argument('--rounds', type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    v1, v2 = (ConvNeXt('tiny', version, out_indices=None, layer_scale_init_value=1.0) for version in (1, 2))
    choices: dict[str, tuple[list[int], list[tuple]]] = {
        'HIDDEN_ELEMENTS': (
            [2**n for n in (18, 20, 21, 22, 23, 24, 40)],
            [(forward, v1, 1), (forward, v1, 16), (step, v1, 8)],
        ),
        'LINEAR_AS_CONV2D': ([True, False], [(step, v2, 8)]),
    }
    print(f'{args.threads} threads, {args.rounds} rounds; share of the time with the value marked *')
    for name, (values, runs) in choices.items():
        default = getattr(fused_mlp, name)
        for run, model, batch in runs:
            images = torch.randn(batch, 3, 224, 224)
            seconds = measure(partial(run, model, images), name, values, args.rounds)
            medians = {value: statistics.median(times) for value, times in seconds.items()}
            shares = (f'{v}{"*" * (v == default)} {medians[v] / medians[default]:.2f}' for v in values)
            print(f'{name}, {run.__name__}, batch {batch} ({medians[default] * 1e3:.0f} ms): ' + ', '.join(shares))
        setattr(fused_mlp, name, default)


@torch.inference_mode()
def forward(model: ConvNeXt, images: torch.Tensor) -> None:
    model.eval()(images)


def step(model: ConvNeXt, images: torch.Tensor) -> None:
    model.train().zero_grad()
    model(images).square().mean().backward()


def measure(run: Callable[[], None], name: str, values: list[int], rounds: int) -> dict[int, list[float]]:
    seconds: dict[int, list[float]] = {value: [] for value in values}
    for number in range(rounds + 1):
        for value, times in seconds.items():
            setattr(fused_mlp, name, value)
            start = time.perf_counter()
            run()
            if number:  # the first warms up
                times.append(time.perf_counter() - start)
    return seconds


if __name__ == '__main__':
    main()
