"""Hook that collects the images of a test for a diagnosis: records of all, label maps of those that may be shown."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..data.foreign import innermost
from ..diagnosis.diagnosed_image import DiagnosedImage, PackedMaps, map_value
from ..diagnosis.records import SegmentedImage
from ..tasks import Task

MOST_KEPT = 5000
"""Images of a process whose label maps are kept, some 50 MB."""


class Place(NamedTuple):
    """The place of an image in a test set, by which images are sorted as metrics sort them, and told apart."""

    is_named: bool
    number: int | str
    path: str
    truth: str

    @classmethod
    def of(cls, output: Any) -> Place:
        """Return the place of a model's output."""
        number = output.get('img_id', 0)
        path = output.get('img_path') or output.get('path') or ''
        return cls(isinstance(number, str), number, str(path), str(output.get('seg_map_path') or ''))


@dataclass
class CollectedTest:
    """The images of a test.

    Attributes:
        weights: which were tested.
        images: in the order in which metrics sort them.
        spread: numbers of images that are spread evenly over the test set.
        maps: label maps by the number of the image: of all, or of many images of the spread ones and the worst.
        metainfo: of the test set: ``classes`` and so on.
        reading: how images are read, to be shown: ``value_range``, ``opening``, ``is_upright``.
        has_truth: False if no image has ground truth.
        skipped: images that could not be read.
    """

    weights: Literal['raw', 'ema'] = 'raw'
    images: list[DiagnosedImage] = field(default_factory=list)
    spread: list[int] = field(default_factory=list)
    maps: dict[int, PackedMaps] = field(default_factory=dict)
    metainfo: Mapping[str, Any] = field(default_factory=dict)
    reading: Mapping[str, Any] = field(default_factory=dict)
    has_truth: bool = True
    skipped: int = 0


class CollectImages(Hook):
    """Hook that collects what a diagnosis is made of, from all processes, in the main one.

    If both raw and averaged weights are tested, those of the averaged weights are collected. Records are kept of all
    images. Label maps are kept as they are shown, compressed: of up to :data:`MOST_KEPT` images of a process, and of
    further ones of those spread evenly over the test set and of the worst.

    Args:
        task: the task of the model.
        shown: number of images that are to be shown.

    Attributes:
        collected: the images, after the test; only in the main process.
    """

    def __init__(self, task: Task, shown: int) -> None:
        self.task, self.shown = task, shown
        self.collected = CollectedTest()
        self._start()

    def _start(self) -> None:
        self._images: dict[Place, DiagnosedImage] = {}
        self._spread: set[Place] = set()
        self._maps: dict[Place, PackedMaps] = {}
        self._worst: list[tuple[float, int, Place]] = []  # a heap, the best of them first
        self._skipped = 0

    def before_test(self, runner: Runner) -> None:
        self._start()
        dataset = runner.test_dataloader.dataset
        size = len(runner.test_dataloader.sampler)
        self._chosen = set(np.linspace(0, size - 1, min(self.shown, size)).round().astype(int).tolist())
        self._metainfo = dict(dataset.metainfo)
        self._has_truth = any(getattr(part, 'has_ground_truth', True) for part in innermost(dataset))
        self._reading = {key: getattr(dataset, key, None) for key in ('value_range', 'opening', 'is_upright')}
        self._last = runner.test_loop.tested_weights[-1]

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[Any], **_: object
    ) -> None:
        if runner.message_hub.get_info('weights') != self._last:
            return
        if isinstance(data_batch, Mapping):
            self._skipped += len(data_batch.get('skipped', ()))
        for output in outputs:
            place = Place.of(output)
            image = self.task.diagnosed_image(output, self._metainfo)
            image = image._replace(has_truth=image.has_truth and self._has_truth)
            if len(self._images) in self._chosen:
                self._spread.add(place)
            self._images[place] = image
            self._keep_maps(place, image, output)

    def _keep_maps(self, place: Place, image: DiagnosedImage, output: Any) -> None:
        """Keep the label maps of an image, of many images those of the spread ones and of the worst so far."""
        if not isinstance(image.record, SegmentedImage) or not self.shown:
            return
        value = map_value(image.record) if image.has_truth else np.nan
        entry = (-value, len(self._images), place)
        is_bad = not np.isnan(value) and (len(self._worst) < self.shown or entry > self._worst[0])
        if place not in self._spread and not is_bad and len(self._maps) >= MOST_KEPT:
            return
        maps = self.task.shown_maps(output, self._metainfo)
        if maps is None:
            return
        self._maps[place] = PackedMaps.of(maps)
        if is_bad:
            heapq.heappush(self._worst, entry)
        if len(self._worst) > self.shown:
            *_, better = heapq.heappop(self._worst)
            if better not in self._spread and len(self._maps) > MOST_KEPT:
                self._maps.pop(better, None)

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        own = (list(self._images.items()), list(self._spread), list(self._maps.items()), self._skipped)
        self._start()
        parts = all_gather_object(own)  # to all, since gathering to one is not possible with every backend
        if not is_main_process():
            return
        images = dict(item for part in parts for item in part[0])
        places = sorted(images)
        numbers = {place: number for number, place in enumerate(places)}
        self.collected = CollectedTest(
            self._last,
            [images[place] for place in places],
            sorted({numbers[place] for part in parts for place in part[1]}),
            {numbers[place]: maps for part in parts for place, maps in part[2]},
            self._metainfo,
            self._reading,
            self._has_truth and any(image.has_truth for image in images.values()),
            sum(part[3] for part in parts),
        )
