"""Measure memory and speed of segmentation by tiles on large images, beside mmseg's slide inference.

    python benchmarks/large_images.py --out benchmarks/large_images.json
    python benchmarks/large_images.py --sides 1000 2000 --speed-side 1000 --rounds 2 --out trial.json

Memory: a sparse TIFF of each size is segmented block by block into a label map on the disk, in a process of its own,
whose maximum resident size is taken; so is what it was before, after the network was built. mmseg's slide inference
gets those of ``--peer-sides`` as whole arrays. Speed: both segment the same noise in one process, in turns. The
network is that of CONFIG with random weights; all threads are torch's.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope

from convnext_dense.analysis.environment import environment
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.models.tiled import TiledModel
from convnext_dense.tasks import set_classes, task_of
from convnext_dense.tiling.label_file import LabelFile
from convnext_dense.tiling.settings import TileSettings

CONFIG = 'configs/seg/upernet_convnext_a_ade20k.py'
CLASSES = 16
OURS, PEER = 'tiles', 'mmseg slide'


class Network:
    """A segmentor with random weights, by tiles and by mmseg's slide inference with windows in the same places.

    Args:
        config: the config.
        tiles: size and overlap of the tiles.
    """

    def __init__(self, config: str, tiles: TileSettings) -> None:
        cfg = read_config(config, needs_data=False, image_size=tiles.size)
        set_classes(cfg, CLASSES)
        cfg.model.test_cfg = dict(mode='whole')
        self.transform = task_of(cfg).build_transform(cfg.test_dataloader.dataset)
        torch.manual_seed(0)
        self.model = build_model(cfg).eval()
        cfg.model.test_cfg = dict(mode='slide', crop_size=tuple(tiles.size), stride=tuple(tiles.distance()))
        cfg.model.type = 'mmseg.EncoderDecoder'
        self.peer = build_model(cfg).eval()
        self.peer.load_state_dict(self.model.state_dict())
        self.tiled, self.scope = TiledModel(self.model, self.transform, tiles), cfg.default_scope

    def segment(self, image: WindowedImage) -> np.ndarray:
        """Segment an image by tiles; returns labels (H, W)."""
        labels = np.empty(image.size, np.uint8)
        with DefaultScope.overwrite_default_scope(self.scope):
            for block in self.tiled.label_blocks(image)[1]:
                labels[block.window.slices] = block.labels
        return labels

    @torch.inference_mode()
    def slide(self, pixels: np.ndarray) -> np.ndarray:
        """Segment an image, uint8 (H, W, 3) in RGB, with mmseg's slide inference; returns labels (H, W)."""
        from mmseg.structures import SegDataSample

        inputs = torch.from_numpy(np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)))
        shapes = dict(ori_shape=pixels.shape[:2], img_shape=pixels.shape[:2], pad_shape=pixels.shape[:2])
        sample = SegDataSample(metainfo=shapes)
        with DefaultScope.overwrite_default_scope(self.scope):
            (found,) = self.peer.test_step({'inputs': [inputs], 'data_samples': [sample]})
        labels: np.ndarray = found.pred_sem_seg.data[0].numpy()
        return labels


def write_sparse(path: Path, side: int) -> None:
    """Write a TIFF of black RGB pixels, whose tiles take no room on the disk."""
    import tifffile

    tifffile.imwrite(
        path, shape=(side, side, 3), dtype=np.uint8, tile=(512, 512), photometric='rgb', bigtiff=True, metadata=None
    )


def peak_mb() -> float:
    """Return the maximum resident size of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def segment_file(config: str, tiles: TileSettings, path: Path, most_seconds: float) -> dict[str, Any]:
    """Segment a TIFF into a label map beside it, as far as it gets in some seconds."""
    network = Network(config, tiles)
    before, start = peak_mb(), time.perf_counter()
    with WindowedImage.open(path) as image, DefaultScope.overwrite_default_scope(network.scope):
        grid, blocks = network.tiled.label_blocks(image)
        with LabelFile(path.with_name('labels.tif'), grid, {}) as file:
            for block in blocks:
                file.write(block)
                if time.perf_counter() - start > most_seconds:
                    break
            done = file.done
            if done == grid.count:
                file.finish()
    seconds = time.perf_counter() - start
    return {'peak_mb': peak_mb(), 'before_mb': before, 'seconds': seconds, 'blocks': done, 'of_blocks': grid.count}


def slide_array(config: str, tiles: TileSettings, path: Path) -> dict[str, Any]:
    """Segment a TIFF, read as a whole, with mmseg's slide inference."""
    network = Network(config, tiles)
    before, start = peak_mb(), time.perf_counter()
    with WindowedImage.open(path) as image:
        network.slide(image.read())
    return {'peak_mb': peak_mb(), 'before_mb': before, 'seconds': time.perf_counter() - start}


def measure_memory(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the peak memory for each size, in a process of its own."""
    rows = []
    for name, sides in ((OURS, args.sides), (PEER, args.peer_sides)):
        for side in sides:
            with tempfile.TemporaryDirectory(dir=args.temporary) as folder:
                path = Path(folder, 'scene.tif')
                write_sparse(path, side)
                command = [sys.executable, __file__, args.config, '--tile', str(args.tile), '--overlap']
                command += [str(args.overlap), '--most-seconds', str(args.most_seconds), '--child', name, str(path)]
                done = subprocess.run(command, capture_output=True, text=True)
            row: dict[str, Any] = {'name': name, 'side': side}
            if done.returncode:
                row['failed'] = (done.stderr.strip().splitlines() or [f'ended with {done.returncode}'])[-1]
            else:
                row |= json.loads(done.stdout.splitlines()[-1])
            print(row, flush=True)
            rows.append(row)
    return rows


def measure_speed(args: argparse.Namespace) -> dict[str, Any]:
    """Segment the same image by tiles and with mmseg's slide inference, in turns."""
    network = Network(args.config, _tiles(args))
    pixels = np.random.default_rng(0).integers(0, 256, (args.speed_side, args.speed_side, 3), np.uint8)
    runs = {OURS: lambda: network.segment(WindowedImage.of(pixels)), PEER: lambda: network.slide(pixels)}
    labels = {name: run() for name, run in runs.items()}  # which also warms up
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(args.rounds):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            start = time.perf_counter()
            runs[name]()
            seconds[name].append(time.perf_counter() - start)
    megapixels = pixels[..., 0].size / 1e6
    return {
        'side': args.speed_side,
        'rounds': args.rounds,
        'equal_labels': float((labels[OURS] == labels[PEER]).mean()),
        'megapixels_per_second': {name: megapixels / statistics.median(all_) for name, all_ in seconds.items()},
        'seconds': seconds,
    }


def _tiles(args: argparse.Namespace) -> TileSettings:
    return TileSettings(ImageSize(args.tile, args.tile), args.overlap)


def _command(args: argparse.Namespace) -> str:
    """Return the command line, but for where the images lie."""
    own = [one for one in sys.argv[1:] if one not in ('--temporary', args.temporary)]
    return shlex.join(['python', 'benchmarks/large_images.py', *own])


def main(args: argparse.Namespace) -> None:
    if args.child:
        name, path = args.child
        tiles = _tiles(args)
        one = slide_array(args.config, tiles, Path(path)) if name == PEER else None
        print(json.dumps(one or segment_file(args.config, tiles, Path(path), args.most_seconds)))
        return
    keys = ('config', 'tile', 'overlap')
    result = {
        'command': _command(args),
        **{key: getattr(args, key) for key in keys},
        'classes': CLASSES,
        'environment': environment(),
        'memory': measure_memory(args),
        'speed': measure_speed(args) if args.rounds else None,
    }
    Path(args.out).write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', default=CONFIG, help=f'config of a segmentor (default: {CONFIG})')
    parser.add_argument('--out', default='large_images.json', help='the file to write')
    parser.add_argument('--tile', type=int, default=512, help='side of the tiles')
    parser.add_argument('--overlap', type=float, default=0.2)
    parser.add_argument('--sides', type=int, nargs='*', default=[5000, 20000, 50000], help='sides of the images')
    parser.add_argument('--peer-sides', type=int, nargs='*', default=[5000], help='those for mmseg')
    parser.add_argument('--speed-side', type=int, default=3000, help='side of the image for the speed')
    parser.add_argument('--rounds', type=int, default=3, help='measurements of the speed of each; 0 for none')
    parser.add_argument('--most-seconds', type=float, default=float('inf'), help='stop each image after these')
    parser.add_argument('--temporary', help='folder for the images and label maps')
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    main(parser.parse_args())
