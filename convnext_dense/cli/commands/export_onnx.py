"""Export a model as an ONNX file, or as a program of torch.export, and check the file against PyTorch.

export_onnx CONFIG CHECKPOINT OUT.onnx --check
export_onnx CONFIG CHECKPOINT OUT.pt2 --task-output features --dynamic --check street.jpg
export_onnx CONFIG WORK_DIR OUT.onnx --data sample       a model that was trained with --data sample

What can be exported, the first by default:
  classification  logits, probabilities, features
  detection       instances (boxes, scores, labels, masks of one image), features
  segmentation    logits, labels (of each pixel), features
"features" are the outputs of the backbone's four stages, each through its norm. A classifier has no such norms: they
are fresh, with weight 1 and bias 0. Classifiers on an isotropic network or a step of the roadmap have no features.

The input is an image as it is decoded: float32, NCHW, RGB, values from 0 to 255. Normalization is inside, and the
file says so itself, with mean, standard deviation, classes and outputs, in its metadata. Not inside are the resizing
of the image, slide inference of segmentors, and, of detectors, the pasting of the masks (28 x 28) into their boxes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from ...errors import UserError
from ...export import TASK_OUTPUTS, Graph, graph_for
from ...export.check import EQUAL_PIXELS, SAME_INSTANCES, TOLERANCE, compare
from ...export.write import DYNAMIC_MIN, INPUT, check_possible, check_shape, write
from ...inference.predictor import Predictor, load
from ...version import __version__
from ..arguments import add_config_arguments, add_trust_argument

SAMPLE_IMAGES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser, roots=False)
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='checkpoint file, or a work dir for its newest')
    parser.add_argument('out', metavar='OUT', help='file to write: .onnx, or .pt2 for torch.export')
    names = dict.fromkeys(name for outputs in TASK_OUTPUTS.values() for name in outputs)
    parser.add_argument('--task-output', choices=names, help='what the model gives (default: the first of its task)')
    parser.add_argument(
        '--shape', type=int, nargs=2, metavar=('H', 'W'), help='size of the images (default: as when testing)'
    )
    parser.add_argument(
        '--dynamic',
        action='store_true',
        help=f'any number of images, of any height and width from {DYNAMIC_MIN} on; detection takes one image, of '
        'multiples of 32',
    )
    parser.add_argument(
        '--check',
        nargs='*',
        metavar='IMAGE',
        help='run the file on images (default: drawn ones) and compare with PyTorch; exit code 1 if a number is '
        f'off by more than {TOLERANCE:g} times max(1, the largest), or more than {1 - EQUAL_PIXELS:.1%}% of the '
        f'labels or {1 - SAME_INSTANCES:.0%}% of the instances',
    )
    parser.add_argument(
        '--weights', choices=('raw', 'ema'), default='raw', help='as trained, or their moving average (default: raw)'
    )
    add_trust_argument(parser)


def run(args: argparse.Namespace) -> int:
    out = Path(args.out)
    checked = args.check is not None
    needed = ('onnx', 'onnxscript', *(('onnxruntime',) if checked else ())) if out.suffix == '.onnx' else ()
    check_possible(out, needed)
    images = [_existing(path) for path in args.check or ()]
    model = (args.config, args.checkpoint, args.weights, 'cpu', args.data, args.cfg_options)
    predict = load(*model, trust_pickle=args.trust_pickle)
    graph = graph_for(predict, args.task_output)
    shape = tuple(args.shape or predict.input_shape)
    check_shape(graph, shape, args.dynamic)

    console = Console(highlight=False, soft_wrap=True)
    with console.status(f'exporting {out.name}'):  # on a terminal only
        write(graph, out, shape, args.dynamic, _about(args, predict, graph, shape))
    console.print(f'{out} is written, {out.stat().st_size / 1e6:.1f} MB', markup=False)
    console.print(f'  {INPUT:<14}{_input_says(graph, shape, args.dynamic)}', markup=False)
    for name, says in graph.outputs.items():
        console.print(f'  {name:<14}{says}', markup=False)
    console.print(f'  not inside: {graph.left_out}', markup=False)
    if not checked:
        return 0

    console.print('\nagainst PyTorch:')
    bad = 0
    for difference in compare(graph, out, images or _sample_images(), shape, args.dynamic):
        place = ' x '.join(map(str, difference.images))
        verdict = 'ok' if difference.good else 'TOO LARGE'
        console.print(f'  {place:<20}{difference.output:<14}{difference.says}: {verdict}', markup=False)
        bad += not difference.good
    if bad:
        console.print(f'error: {out} differs from PyTorch by more than rounding', markup=False)
    return 1 if bad else 0


def _about(args: argparse.Namespace, predict: Predictor, graph: Graph, shape: tuple[int, int]) -> dict[str, object]:
    """What the file says about itself."""
    return {
        'producer': f'convnext_dense {__version__}',
        'config': Path(args.config).name,
        'checkpoint': Path(args.checkpoint).name,
        'weights': args.weights,
        'task': predict.task,
        'input': _input_says(graph, shape, args.dynamic),
        'normalization': 'inside: (image - mean) / std',
        'mean': [round(value, 4) for value in graph.mean.flatten().tolist()],
        'std': [round(value, 4) for value in graph.std.flatten().tolist()],
        'outputs': graph.outputs,
        'not_inside': graph.left_out,
        'classes': list(predict.names),
    }


def _input_says(graph: Graph, shape: tuple[int, int], dynamic: bool) -> str:
    count = 'N' if dynamic and not graph.one_image else '1'
    size = 'H, W' if dynamic else f'{shape[0]}, {shape[1]}'
    says = f'float32 ({count}, 3, {size}), RGB values from 0 to 255'
    if not dynamic:
        return says
    multiples = f', multiples of {graph.side_multiple}' if graph.side_multiple > 1 else ''
    return f'{says}; H and W from {DYNAMIC_MIN} on{multiples}'


def _existing(path: str) -> Path:
    if not Path(path).is_file():
        raise UserError(f'no image at {path}: name files after --check, or none for drawn images')
    return Path(path)


def _sample_images() -> list[Path]:
    from ...sample_data.sample import ensure_sample

    return sorted((ensure_sample() / 'coco' / 'val2017').glob('*.jpg'))[:SAMPLE_IMAGES]
