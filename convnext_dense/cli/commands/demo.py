"""Draw predictions on images and videos."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import tee
from pathlib import Path
from types import MappingProxyType

import numpy as np
from rich.progress import Progress, TaskID

from ...data.formats.base import WHOLE
from ...data.formats.write import WRITERS, write_data_set
from ...data.formats.write.base import LabeledData, LabeledImage
from ...data.image_files import EXTENSIONS, describe_left_out
from ...errors import BadImage, UserError
from ...inference.best_scores import BEST
from ...inference.files import IMAGES, RESULTS, find_inputs, is_video, name_outputs
from ...inference.image_ids import number_images, read_image_ids
from ...inference.predictor import Predictor, load
from ...inference.read_images import ImageLike
from ...io.coco_format import CocoImage
from ...io.files import atomic_write
from ...io.geojson import crs_of, import_gdal
from ...io.georeference import Georeference
from ...io.new_folder import NewFolder
from ...io.progress import progress_bar
from ...io.rasters import open_raster
from ...io.video import Video, write_video
from ...models.compiling import compile_backbone
from ...results import Result
from ...tasks import ClassInfo
from ...tasks.tiled_results import TileProgress
from ..arguments import config_and_checkpoint
from ..band_arguments import prediction_arguments
from ..commercial import check_commercial
from .convert_data import describe_written

GEOJSON = '.geojson'
SCORE = 0.3
"""Detections with a lower score are left out by default."""


def run(args: argparse.Namespace) -> int:
    check_commercial(args, [args.checkpoint])
    out_dir = Path(args.out_dir)
    inputs, skipped, left_out = find_inputs(args.input, out_dir)
    for error in skipped:
        print(f'error: {error}', file=sys.stderr)
    if left_out:
        print(describe_left_out(left_out))
    videos = [path for path in inputs if is_video(path)]
    if (args.format or args.geojson) and videos:
        flag = '--format' if args.format else '--geojson'
        raise UserError(f'{flag} is for images, and {videos[0]} is a video: save its frames as images')
    odd = [path for path in inputs if path.suffix.lower() not in EXTENSIONS]
    if args.format and odd:
        raise UserError(f'{odd[0]} has no suffix of images in data sets ({", ".join(EXTENSIONS)}): rename it')
    with NewFolder(out_dir, 'folder', '--out-dir'):
        predict = _load(args)
        paths = [str(path) for path in inputs if not is_video(path)]
        places = _georeferences(paths, predict) if args.geojson else {}
        names = predict.task.has_named_images
        ids = read_image_ids(args.annotations, paths, names) if args.annotations else number_images(paths)
    if args.format:
        return _write_annotations(args, predict, inputs, len(skipped))
    extra_files = predict.task.extra_files if predict.tiles is None else predict.task.tiled_files
    outputs = name_outputs(inputs, out_dir, [*extra_files, *([GEOJSON] if args.geojson else [])])
    images = {str(path): files for path, files in outputs.items() if not is_video(path)}
    with progress_bar() as bar:
        demo = _Demo(predict, args.batch_size, args.score, bar, places)
        if images:
            images_file = out_dir / IMAGES if predict.task.writes_coco and not args.annotations else None
            demo.draw_images(images, ids, out_dir / RESULTS, images_file)
        for path, files in outputs.items():
            if is_video(path):
                demo.draw_video(str(path), *files)
    print(f'{len(inputs) - len(demo.failed)} of {len(inputs) + len(skipped)} inputs are drawn in {out_dir}')
    if demo.found_nothing:
        print(_nothing_found(args.score))
    return 1 if demo.failed or skipped else 0


def _load(args: argparse.Namespace) -> Predictor:
    """Load the model.

    Raises:
        UserError: if it can't be loaded, or does not predict what is to be written.
    """
    model = (*config_and_checkpoint(args), args.weights, args.device, args.data, args.cfg_options)
    given = prediction_arguments(args)
    if args.score == BEST:
        given['score'] = BEST
    predict = load(*model, trust_pickle=args.trust_pickle, label_zero=args.label_zero, **given)
    if args.compile:
        compile_backbone(predict.model)
    if args.annotations and not predict.task.writes_coco:
        raise UserError(
            f'--annotations is for detectors and panoptic models, not for {predict.task.name}: leave it out'
        )
    if args.score is None:
        args.score = SCORE
    elif args.score == BEST:
        args.score = predict.score
    elif not predict.task.has_scores:
        raise UserError(
            f'--score {args.score:g} leaves out detections, and the results of a model for {predict.task.name} have '
            f'no scores: leave it out{predict.task.score_advice}'
        )
    for flag in ('format', 'geojson'):
        if getattr(args, flag) and not predict.task.writes_annotations:
            raise UserError(f'--{flag} is for objects and label maps, not for {predict.task.name}: leave it out')
    return predict


def _georeferences(paths: Sequence[str], predict: Predictor) -> dict[str, Georeference]:
    """Read where images are on the earth, by their paths; without those that can't be read.

    Raises:
        UserError: if one has no georeference.
    """
    import_gdal()
    found: dict[str, Georeference] = {}
    for path in paths:
        try:
            raster = open_raster(path, *predict.opening)
        except UserError:  # which its prediction says
            continue
        with raster:
            crs_of(raster.georeference, path)
            assert raster.georeference is not None
            found[path] = raster.georeference
    return found


def _nothing_found(score: float | np.ndarray) -> str:
    if np.ndim(score):
        return 'nothing has the best score of its class in these images: take a number with --score'
    if score == 0:
        return 'nothing is found in these images'
    return f'nothing has a score of {score:g} or more in these images: take a lower one with --score'


def _write_annotations(args: argparse.Namespace, predict: Predictor, inputs: Sequence[Path], skipped: int) -> int:
    """Write the predictions for images as annotations; when interrupted, those for the images so far."""
    has_label_maps = not predict.task.writes_coco
    with progress_bar() as bar:
        demo = _Demo(predict, args.batch_size, args.score, bar)
        images = demo.labeled_images([str(path) for path in inputs], WRITERS[args.format].of_label_maps)
        data = LabeledData(list(predict.classes.names), {WHOLE: images})
        written = write_data_set(data, has_label_maps, args.format, args.out_dir, args.images, scores=args.confidence)
    print(describe_written(written, args.format, args.out_dir))
    if demo.found_nothing:
        print(_nothing_found(args.score if demo.has_scores else 0))
    if demo.interrupted:
        raise KeyboardInterrupt
    return 1 if demo.failed or skipped else 0


class _Demo:
    """Draws inputs, and counts those that fail."""

    def __init__(
        self,
        predict: Predictor,
        batch_size: int,
        score: float | np.ndarray,
        bar: Progress,
        places: Mapping[str, Georeference] = MappingProxyType({}),
    ) -> None:
        self.predict = predict
        self.places = places
        self.batch_size = batch_size
        self.score = score
        self.bar = bar
        self.failed: list[str] = []
        self.found_nothing = False  # in any of the images, at this score
        self.has_scores = True  # of which the results have a least one
        self.interrupted = False

    def draw_images(
        self, outputs: dict[str, list[Path]], ids: dict[str, int | str], results_file: Path, images_file: Path | None
    ) -> None:
        """Draw each image, and write the results of all to one file; those so far when interrupted, if there are any.

        Args:
            outputs: the files of each image by its path.
            ids: the id of each image by its path.
            results_file: the file for the results.
            images_file: the file for the list of the images, of detections only.
        """
        task, failed = self._count_images(len(outputs))
        entries: list[Mapping] = []
        images: list[CocoImage] = []
        drawn_any = False
        if tiled := self.predict.tiles is not None:
            results = self._tiled_results(outputs, failed)
        else:
            results = self.predict.batch(outputs, self.batch_size, failed)

        def write() -> None:
            _write_json(entries, results_file, self.predict.task.results_key)
            if images_file is not None:
                _write_images(images, self.predict.classes, images_file)

        try:
            for result in results:
                path = str(result.path)
                drawn, *extra_files = outputs[path]
                polygons = extra_files.pop() if self.places else None
                result = result.above(self.score).with_image_id(ids[path]).with_extra_files(*extra_files)
                images += filter(None, [result.coco_image()])
                result.draw(drawn)
                if not tiled:  # they are written
                    result.save_extra_files(*extra_files)
                if polygons is not None:
                    result.save_polygons(polygons, self.places[path])
                content = result.as_json()
                entries += [content] if isinstance(content, Mapping) else content
                self.bar.advance(task)
                self.found_nothing, drawn_any = not entries, True
        except BaseException:
            with suppress(UserError):  # such as of the full disk that ends the demo, which the first error explains
                if drawn_any:
                    write()
            raise
        write()

    def _tiled_results(
        self, outputs: Mapping[str, Sequence[Path]], failed: Callable[[ImageLike, UserError], None]
    ) -> Iterator[Result]:
        """Predict images in tiles, the results that are as large as they into their files."""
        has_file = bool(self.predict.task.tiled_files)
        for path, files in outputs.items():
            with _TileRow(self.bar, path) as row:
                try:
                    yield self.predict.predict_tiles(path, self.batch_size, row, files[1] if has_file else None)
                except BadImage as error:
                    failed(path, error)

    def labeled_images(self, paths: Sequence[str], needs_masks: bool) -> Iterator[LabeledImage]:
        """Predict for images, and yield the predictions as annotations; an interruption ends them without an error.

        Raises:
            UserError: if masks are needed and the detector predicts none.
        """
        task, failed = self._count_images(len(paths))
        self.found_nothing = self.predict.task.writes_coco
        try:
            for result in self.predict.batch(paths, self.batch_size, failed):
                certain = result.above(self.score)
                self.has_scores = certain is not result
                labeled = self.predict.task.labeled_image(certain, needs_masks)
                self.found_nothing = self.found_nothing and not labeled.objects
                yield labeled
                self.bar.advance(task)
        except KeyboardInterrupt:
            self.interrupted = True

    def _count_images(self, count: int) -> tuple[TaskID, Callable[[ImageLike, UserError], None]]:
        """Add a row for images to the progress bar, and return it with a function that counts one that failed."""
        task = self.bar.add_task('images', total=count)

        def failed(path: ImageLike, error: UserError) -> None:
            self._fail(str(path), error)
            self.bar.advance(task)

        return task, failed

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
            result = replace(result.above(self.score).with_image_id(len(entries)), path=path)
            place = {'frame': len(entries), 'seconds': len(entries) / video.fps}
            entries.append({**place, 'result': result.as_json()})
            yield result.draw_frame(frame)
            self.bar.advance(task)

    def _fail(self, path: str, error: UserError) -> None:
        self.failed.append(path)
        self.bar.console.print(f'error: {error}', markup=False, highlight=False, soft_wrap=True)


class _TileRow(TileProgress):
    """A row of the progress bar that counts the tiles of an image; a context that removes it."""

    def __init__(self, bar: Progress, path: str) -> None:
        self.bar = bar
        self.row = bar.add_task(f'tiles of {Path(path).name}', total=None)

    def start(self, total: int, done: int = 0) -> None:
        self.bar.update(self.row, total=total, completed=done)

    def advance(self, count: int) -> None:
        self.bar.advance(self.row, count)

    def say(self, line: str) -> None:
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> _TileRow:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.remove_task(self.row)


def _write_images(images: Sequence[CocoImage], classes: ClassInfo, path: Path) -> None:
    """Write images and categories as a COCO file without annotations, for the results that have their ids."""
    ids = classes.category_ids or range(len(classes.names))
    categories = [{'id': number, 'name': name} for number, name in zip(ids, classes.names, strict=True)]
    for label, category in enumerate(categories) if classes.stuff else ():
        category['isthing'] = int(label < classes.things)
    content = {'images': images, 'annotations': [], 'categories': categories}
    _write(json.dumps(content, indent=1) + '\n', path)


def _write_json(entries: Sequence[Mapping], path: Path, key: str | None = None) -> None:
    """Write a JSON list with one entry per line, as the value of a key if there is one."""
    lines = ',\n'.join(map(json.dumps, entries))
    _write(f'[\n{lines}\n]\n' if key is None else f'{{{json.dumps(key)}: [\n{lines}\n]}}\n', path)


def _write(text: str, path: Path) -> None:
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text)
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror}): choose another place with --out-dir') from None
