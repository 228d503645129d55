"""Export a model as an ONNX file, or as a program of torch.export, and check it against what the model predicts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from ...export.check import Difference, compare
from ...export.graphs import Graph
from ...export.run import INPUT, DoesNotRun
from ...export.write import check_shape, has_onnxruntime, write
from ...inference.predictor import Predictor, load
from ...io.image_size import ImageSize
from ...version import __version__
from ..arguments import config_and_checkpoint
from ..band_arguments import prediction_arguments
from ..commercial import check_commercial

SAMPLE_IMAGES = 3
NOISE_SIDE = 240  # pixels, of the shorter side


def run(args: argparse.Namespace) -> int:
    check_commercial(args, [args.checkpoint])
    out = Path(args.out)
    checked = args.check is not None
    images = [Path(path) for path in args.check or ()]
    model = (*config_and_checkpoint(args), args.weights, 'cpu', args.data, args.cfg_options)
    given = prediction_arguments(args)
    predict = load(*model, trust_pickle=args.trust_pickle, label_zero=args.label_zero, **given)
    graph = predict.graph(args.task_output)
    shape = ImageSize(*(args.shape or predict.input_shape))
    check_shape(graph, shape, args.dynamic, is_given=bool(args.shape))

    found: list[Difference] = []

    def check(file: Path) -> None:
        samples = images or _sample_images(graph)
        found.extend(compare(graph, file, samples, predict.predict_whole, shape, args.dynamic))

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:  # where the status is not shown, and a detector takes half a minute
        print(f'exporting {out.name}', flush=True)
    with console.status(f'exporting {out.name}'):
        about = _about(args, predict, graph, shape)
        try:
            write(graph, out, shape, args.dynamic, about, check if checked else None)
        except DoesNotRun as error:
            raise DoesNotRun(f'{error}: {out} is not written') from error
    console.print(f'{out} is written, {out.stat().st_size / 1e6:.1f} MB', markup=False)
    console.print(f'  {INPUT:<13} {_input_says(graph, shape, args.dynamic)}', markup=False)
    for name, says in graph.outputs.items():
        console.print(f'  {name:<13} {says}', markup=False)
    console.print(f'  not inside: {about["not_inside"]}', markup=False)
    if out.suffix == '.onnx' and not has_onnxruntime():
        console.print('  not tried: onnxruntime is not installed', markup=False)
    return _report(console, out, found) if checked else 0


def _report(console: Console, out: Path, found: Sequence[Difference]) -> int:
    """Print how the file differs from what the model predicts, and return the exit code."""
    console.print('\nagainst what the model predicts:')
    bad = 0
    for difference in found:
        place = ' x '.join(map(str, difference.images))
        verdict = 'ok' if difference.within_tolerance else 'TOO LARGE'
        console.print(f'  {place:<19} {difference.output:<13} {difference.description}: {verdict}', markup=False)
        bad += not difference.within_tolerance
    if bad:
        console.print(
            f'error: {out}, which is kept, differs from what the model predicts by more than rounding', markup=False
        )
    return 1 if bad else 0


def _about(args: argparse.Namespace, predict: Predictor, graph: Graph, shape: ImageSize) -> dict[str, object]:
    """The metadata of the file."""
    first_label = predict.classes.first_label
    origin = predict.origin
    tiling = '; cutting images into tiles, and merging what is found in them' if predict.tiles is not None else ''
    scaled = {'value_range': list(predict.value_range)} if predict.value_range and graph.bands is None else {}
    return {
        'producer': f'convnext_dense {__version__}',
        'config': Path(args.config).name,
        'checkpoint': Path(args.checkpoint).name,
        'weights': args.weights,
        'task': predict.task.name,
        'input': _input_says(graph, shape, args.dynamic),
        **scaled,  # of the images before they were scaled to 0 to 255
        'normalization': f'inside: (image - mean) / std{", of BGR" if graph.bgr else ""}',
        **({} if graph.bands is None else {'bands': graph.bands.as_plain()}),
        'mean': [_rounded(value, graph) for value in graph.mean.flatten().tolist()],
        'std': [_rounded(value, graph) for value in graph.std.flatten().tolist()],
        'outputs': graph.outputs,
        'not_inside': graph.left_out + tiling,
        'classes': list(predict.names),
        **({'trained_from': origin.source} if origin else {}),
        **({'license': origin.license} if origin and origin.license else {}),  # of what it was trained from
        **({} if first_label is None else {'label_of_first_class_in_masks': first_label}),
    }


def _input_says(graph: Graph, shape: ImageSize, dynamic: bool) -> str:
    count = 'N' if dynamic and not graph.one_image else '1'
    size = 'H, W' if dynamic else f'{shape[0]}, {shape[1]}'
    values = 'RGB values from 0 to 255' if graph.bands is None else f'{graph.bands} as stored'
    says = f'float32 ({count}, {graph.channels}, {size}), {values}'
    return f'{says}; H and W from {graph.smallest} on' if dynamic else says


def _rounded(value: float, graph: Graph) -> float:
    return round(value, 4) if graph.bands is None else float(f'{value:.7g}')


def _sample_images(graph: Graph) -> list[Path] | list[np.ndarray]:
    """Return images of the sample; of bands, of which it has none, smooth noise of their mean and std."""
    if graph.bands is not None:
        return [_noise_of_bands(graph, seed) for seed in range(SAMPLE_IMAGES)]
    from ...sample_data.create import ensure_sample

    return sorted((ensure_sample() / 'coco' / 'val2017').glob('*.jpg'))[:SAMPLE_IMAGES]


def _noise_of_bands(graph: Graph, seed: int) -> np.ndarray:
    """Draw an image with the stored bands and type of those that a model was trained on, (H, W, B)."""
    assert graph.bands is not None
    rng, bands = np.random.default_rng(seed), graph.bands
    dtype = np.dtype(bands.dtype or 'float32')
    stored = bands.stored or max(bands.bands)
    coarse = rng.standard_normal((12, 16, stored))
    image = coarse.repeat(NOISE_SIDE // 12, axis=0).repeat(NOISE_SIDE // 12, axis=1)
    image = image + 0.2 * rng.standard_normal(image.shape)
    for place, band in enumerate(bands.bands):
        image[..., band - 1] = image[..., band - 1] * float(graph.std[place]) + float(graph.mean[place])
    if dtype.kind in 'iu':
        image = image.round().clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
    return image.astype(dtype)
