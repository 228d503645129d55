"""Draw predictions on images and videos."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import tee
from pathlib import Path

import numpy as np
from rich.progress import Progress

from ...errors import UserError
from ...inference.files import RESULTS, find_inputs, is_video, name_outputs
from ...inference.predictor import ImageLike, Predictor, load
from ...io.files import atomic_write
from ...io.progress import progress_bar
from ...io.video import Video, write_video
from ...models.compiling import compile_backbone
from ..arguments import config_and_checkpoint, image_arguments


def run(args: argparse.Namespace) -> int:
    out_dir = Path(args.out_dir)
    inputs, skipped = find_inputs(args.input, out_dir)
    for error in skipped:
        print(f'error: {error}', file=sys.stderr)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'{out_dir} cannot be written ({error.strerror}): choose another with --out-dir') from None
    model = (*config_and_checkpoint(args), args.weights, args.device, args.data, args.cfg_options)
    predict = load(*model, trust_pickle=args.trust_pickle, **image_arguments(args))
    if args.compile:
        compile_backbone(predict.model)
    outputs = name_outputs(inputs, out_dir, predict.task.extra_files)
    with progress_bar() as bar:
        demo = _Demo(predict, args.batch_size, args.score, bar)
        images = {str(path): files for path, files in outputs.items() if not is_video(path)}
        if images:
            demo.draw_images(images, out_dir / RESULTS)
        for path, files in outputs.items():
            if is_video(path):
                demo.draw_video(str(path), *files)
    print(f'{len(inputs) - len(demo.failed)} of {len(inputs) + len(skipped)} inputs are drawn in {out_dir}')
    if demo.found_nothing:
        print(f'nothing has a score of {args.score:g} or more in these images: take a lower one with --score')
    return 1 if demo.failed or skipped else 0


class _Demo:
    """Draws inputs, and counts those that fail."""

    def __init__(self, predict: Predictor, batch_size: int, score: float, bar: Progress) -> None:
        self.predict = predict
        self.batch_size = batch_size
        self.score = score
        self.bar = bar
        self.failed: list[str] = []
        self.found_nothing = False  # in any of the images, at this score

    def draw_images(self, outputs: dict[str, list[Path]], results_file: Path) -> None:
        """Draw each image, and write the results of all to one file, also when interrupted."""
        task = self.bar.add_task('images', total=len(outputs))

        def failed(path: ImageLike, error: UserError) -> None:
            self._fail(str(path), error)
            self.bar.advance(task)

        entries: list[Mapping] = []
        try:
            for result in self.predict.batch(outputs, self.batch_size, failed):
                result = result.above(self.score)
                drawn, *extra_files = outputs[str(result.path)]
                result.draw(drawn)
                result.save_extra_files(*extra_files)
                content = result.as_json()
                entries += [content] if isinstance(content, Mapping) else content
                self.bar.advance(task)
                self.found_nothing = not entries
        finally:
            _write_json(entries, results_file)

    def draw_video(self, path: str, drawn: Path, results_file: Path) -> None:
        """Draw each frame, and write the results of all frames to a file."""
        try:
            video = Video(path)
        except UserError as error:
            self._fail(path, error)
            return
        entries: list[dict] = []
        write_video(drawn, video.fps, self._drawn_frames(video, path, entries))
        _write_json(entries, results_file)
        if video.count and len(entries) < 0.9 * video.count:  # some formats only know it roughly
            self._fail(
                path, UserError(f'bad video {path} (it breaks off after {len(entries)} of {video.count} frames)')
            )

    def _drawn_frames(self, video: Video, path: str, entries: list[dict]) -> Iterator[np.ndarray]:
        """Draw the frames one after the other, and append the result of each to ``entries``."""
        task = self.bar.add_task(Path(path).name, total=video.count)
        frames, again = tee(video)
        for frame, result in zip(again, self.predict.batch(frames, self.batch_size), strict=True):
            result = replace(result.above(self.score), path=path)
            place = {'frame': len(entries), 'seconds': len(entries) / video.fps}
            entries.append({**place, 'result': result.as_json()})
            yield result.draw_frame(frame)
            self.bar.advance(task)

    def _fail(self, path: str, error: UserError) -> None:
        self.failed.append(path)
        self.bar.console.print(f'error: {error}', markup=False, highlight=False, soft_wrap=True)


def _write_json(entries: Sequence[Mapping], path: Path) -> None:
    """Write a JSON list with one entry per line."""
    lines = ',\n'.join(map(json.dumps, entries))
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(f'[\n{lines}\n]\n')
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}): choose another place with --out-dir') from None
