"""Records of a tested run as a file, from which runs are compared without testing them again."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ..errors import UserError, describe_error
from ..io.files import atomic_write, write_errors
from ..io.image_size import ImageSize
from .confusion import Confusion
from .detection_errors import BACKGROUND_IOU
from .overlaps import object_overlaps, predicted_areas
from .records import ClassifiedImage, DetectedImage, PanopticImage, SegmentedImage, TrueObjects

RECORDS_FILE = 'records.npz'
"""Name of the file in the folder of a diagnosis."""
FORMAT = 'convnext_dense records'
VERSION = 1
ALL_SCORES = 100
"""Classes up to which all scores of an image are kept."""
KEPT_SCORES = 20
"""The highest scores of an image that are kept beside that of the true class, if there are more classes."""

Records: TypeAlias = (
    Sequence[ClassifiedImage] | Sequence[DetectedImage] | Sequence[PanopticImage] | Sequence[SegmentedImage]
)
Arrays: TypeAlias = dict[str, np.ndarray]


class RunInfo(NamedTuple):
    """What was tested.

    Attributes:
        task: the task's name.
        classes: names of the K classes.
        things: number of the first classes that are things; None but for panoptic models.
        data: where the images are.
        checkpoint: the checkpoint's file.
        weights: ``'raw'`` or ``'ema'``.
    """

    task: str
    classes: Sequence[str]
    things: int | None
    data: str
    checkpoint: str
    weights: Literal['raw', 'ema']


@dataclass(frozen=True, eq=False)
class RunRecords:
    """Records of all images of a tested run.

    Attributes:
        info: what was tested.
        records: of the N images.
        mask_overlaps: of each image, float64 (predictions, objects), the IoU of masks, with 0 below 0.1; None if masks
            are not compared.
    """

    info: RunInfo
    records: Records
    mask_overlaps: Sequence[np.ndarray] | None = None


def write_records(path: str | Path, info: RunInfo, records: Records, masks: bool = False) -> None:
    """Write records into a compressed file of numpy (``.npz``), without pickled objects.

    All numbers are exact. Of more than 100 classes, a classified image keeps its 20 highest scores and that of the
    true class; the others are read as 0. Of predicted masks, which take most space, their areas are kept and their
    IoUs with annotated objects of at least 0.1, which is all that is measured of them.

    Args:
        path: the file, which is replaced as a whole.
        info: what was tested.
        records: of all images, of one kind.
        masks: whether predicted and annotated masks are compared, for instances.

    Raises:
        UserError: if the file can't be written.
    """
    kind = next((name for name, one in KINDS.items() if all(_is_of(record, one.record) for record in records)), None)
    if kind is None:
        raise ValueError('records of different kinds')
    header = {'format': FORMAT, 'version': VERSION, 'kind': kind, 'masks': masks, **info._asdict()}
    header['classes'] = list(info.classes)
    arrays = KINDS[kind].pack(records, masks)
    arrays['paths'] = _text([record.path for record in records])
    arrays['header'] = _text(header)
    with write_errors(path, '--out'), atomic_write(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def read_records(path: str | Path) -> RunRecords:
    """Read what :func:`write_records` wrote.

    Raises:
        UserError: if there is no such file, or it is damaged, of another version, or of something else.
    """
    again = 'diagnose the run again'
    try:
        with np.load(path, allow_pickle=False) as file:
            header = _parsed(file['header'])
            if not isinstance(header, dict) or header.get('format') != FORMAT:
                raise UserError(f'{path} has no records of a run: {again}')
            if header.get('version') != VERSION:
                raise UserError(
                    f'{path} has records of version {header.get("version")}, and this program reads version '
                    f'{VERSION}: {again} with this one'
                )
            arrays = {name: file[name] for name in file.files}
        info = RunInfo(*(header[name] for name in RunInfo._fields))
        paths = _parsed(arrays['paths'])
        if header['kind'] not in KINDS:
            raise ValueError(f'kind {header["kind"]!r}')
        records, overlaps = KINDS[header['kind']].unpack(paths, arrays, len(info.classes), header['masks'])
    except FileNotFoundError:
        raise UserError(f'{path}: no such file: {again}') from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'{path} cannot be read as records of a run ({describe_error(error)}): {again}') from None
    return RunRecords(info, records, overlaps)


def _is_of(record: object, kind: type) -> bool:
    """Tell whether a record is of a kind: of its class, or one that keeps fewer scores."""
    return type(record) is kind or (kind is ClassifiedImage and isinstance(record, kind))


def _pack_classified(records: Sequence[ClassifiedImage], masks: bool) -> Arrays:
    labels = np.array([image.label for image in records], np.int32)
    if not records or len(records[0].scores) <= ALL_SCORES:
        scores = np.stack([image.scores for image in records]) if records else np.zeros((0, 0), np.float32)
        return {'labels': labels, 'scores': scores}
    kept, values = [], []
    for image in records:  # one by one: all scores of all images may not fit into memory
        highest = np.argpartition(-image.scores, KEPT_SCORES)[:KEPT_SCORES]
        kept.append(np.sort(np.append(highest, max(image.label, 0))).astype(np.int32))
        values.append(image.scores[kept[-1]])
    return {'labels': labels, 'scores': np.stack(values), 'kept': np.stack(kept)}


def _unpack_classified(paths: Sequence[str], arrays: Arrays, classes: int, masks: bool) -> tuple[Records, None]:
    scores, kept = arrays['scores'], arrays.get('kept')
    _check_lengths(paths, arrays['labels'], scores)
    records = []
    for number, (path, label) in enumerate(zip(paths, arrays['labels'].tolist(), strict=True)):
        own = scores[number]
        if kept is not None:
            own = np.zeros(classes, scores.dtype)
            own[kept[number]] = scores[number]
        records.append(ClassifiedImage(path, own, label))
    return records, None


def _pack_detected(records: Sequence[DetectedImage], masks: bool) -> Arrays:
    truths = [image.truth for image in records]
    arrays = {
        'sizes': np.array([image.size for image in records], np.int32).reshape(-1, 2),
        'predictions': np.array([len(image) for image in records], np.int32),
        'objects': np.array([len(truth) for truth in truths], np.int32),
        'boxes': _joined([image.boxes for image in records], np.zeros((0, 4), np.float32)),
        'scores': _joined([image.scores for image in records], np.zeros(0, np.float32)),
        'labels': _joined([image.labels for image in records], np.zeros(0, np.int64)).astype(np.int32),
        'true_boxes': _joined([truth.boxes for truth in truths], np.zeros((0, 4))),
        'true_labels': _joined([truth.labels for truth in truths], np.zeros(0, np.int64)).astype(np.int32),
        'crowd': _joined([truth.crowd for truth in truths], np.zeros(0, bool)),
        'areas': _joined([truth.areas for truth in truths], np.zeros(0)),
        'true_masks': _text([None if truth.masks is None else list(truth.masks) for truth in truths]),
    }
    if masks:
        overlaps = [object_overlaps(image, masks=True) for image in records]
        near = [np.nonzero(overlap >= BACKGROUND_IOU) for overlap in overlaps]
        arrays |= {
            'mask_areas': _joined([predicted_areas(image, True) for image in records], np.zeros(0)),
            'near': np.array([len(rows) for rows, _ in near], np.int32),
            'near_places': np.hstack([np.zeros((2, 0), np.int32), *(np.stack(place) for place in near)]).astype(
                np.int32
            ),
            'near_iou': _joined([overlap[place] for overlap, place in zip(overlaps, near, strict=True)], np.zeros(0)),
        }
    return arrays


def _unpack_detected(
    paths: Sequence[str], arrays: Arrays, classes: int, masks: bool
) -> tuple[Records, list[np.ndarray] | None]:
    sizes, true_masks = arrays['sizes'].tolist(), _parsed(arrays['true_masks'])
    _check_lengths(paths, sizes, true_masks)
    boxes, scores, labels = (_parts(arrays[name], arrays['predictions']) for name in ('boxes', 'scores', 'labels'))
    truth = zip(
        *(_parts(arrays[name], arrays['objects']) for name in ('true_boxes', 'true_labels', 'crowd', 'areas')),
        true_masks,
        strict=True,
    )
    areas = _parts(arrays['mask_areas'], arrays['predictions']) if masks else [None] * len(paths)
    records = [
        DetectedImage(
            path,
            ImageSize(*size),
            own_boxes,
            own_scores,
            own_labels.astype(np.int64),
            TrueObjects(true_boxes, true_labels.astype(np.int64), crowd, own_areas, own_masks),
            mask_areas=mask_areas,
        )
        for path, size, own_boxes, own_scores, own_labels, mask_areas, (
            true_boxes,
            true_labels,
            crowd,
            own_areas,
            own_masks,
        ) in zip(paths, sizes, boxes, scores, labels, areas, truth, strict=True)
    ]
    if not masks:
        return records, None
    places, values = _parts(arrays['near_places'].T, arrays['near']), _parts(arrays['near_iou'], arrays['near'])
    overlaps = []
    for image, place, iou in zip(records, places, values, strict=True):
        overlap = np.zeros((len(image), len(image.truth)))
        overlap[tuple(place.T)] = iou
        overlaps.append(overlap)
    return records, overlaps


def _pack_segmented(records: Sequence[SegmentedImage], masks: bool) -> Arrays:
    arrays = {
        'pairs': np.array([len(image.pixels.counts) for image in records], np.int32),
        'true': _joined([image.pixels.true for image in records], np.zeros(0, np.int64)).astype(np.int32),
        'predicted': _joined([image.pixels.predicted for image in records], np.zeros(0, np.int64)).astype(np.int32),
        'counts': _joined([image.pixels.counts for image in records], np.zeros(0, np.int64)),
    }
    if records and all(image.boundaries is not None for image in records):
        arrays['boundaries'] = np.stack([image.boundaries for image in records if image.boundaries is not None])
    return arrays


def _unpack_segmented(paths: Sequence[str], arrays: Arrays, classes: int, masks: bool) -> tuple[Records, None]:
    pairs = [_parts(arrays[name], arrays['pairs']) for name in ('true', 'predicted', 'counts')]
    boundaries = list(arrays.get('boundaries', [None] * len(paths)))
    return [
        SegmentedImage(path, Confusion(classes, true.astype(np.int64), predicted.astype(np.int64), counts), own)
        for path, true, predicted, counts, own in zip(paths, *pairs, boundaries, strict=True)
    ], None


def _pack_panoptic(records: Sequence[PanopticImage], masks: bool) -> Arrays:
    rows = [(label, *tally) for image in records for label, tally in image.tallies.items()]
    table = np.array(rows, np.float64).reshape(-1, 5)
    return {
        **_pack_segmented(records, masks),
        'tallies': np.array([len(image.tallies) for image in records], np.int32),
        'tally_counts': table[:, [0, 2, 3, 4]].astype(np.int32),
        'tally_iou': table[:, 1],
    }


def _unpack_panoptic(paths: Sequence[str], arrays: Arrays, classes: int, masks: bool) -> tuple[Records, None]:
    segmented, _ = _unpack_segmented(paths, arrays, classes, masks)
    tallies = zip(*(_parts(arrays[name], arrays['tallies']) for name in ('tally_counts', 'tally_iou')), strict=True)
    records = []
    for image, (counts, iou) in zip(segmented, tallies, strict=True):
        assert isinstance(image, SegmentedImage)
        own = {
            label: (value, found, false, missed)
            for (label, found, false, missed), value in zip(counts.tolist(), iou.tolist(), strict=True)
        }
        records.append(PanopticImage(image.path, image.pixels, image.boundaries, own))
    return records, None


class _Kind(NamedTuple):
    record: type
    pack: Callable[[Any, bool], Arrays]
    unpack: Callable[[Sequence[str], Arrays, int, bool], tuple[Records, list[np.ndarray] | None]]


KINDS: Mapping[str, _Kind] = {
    'classified': _Kind(ClassifiedImage, _pack_classified, _unpack_classified),
    'detected': _Kind(DetectedImage, _pack_detected, _unpack_detected),
    'segmented': _Kind(SegmentedImage, _pack_segmented, _unpack_segmented),
    'panoptic': _Kind(PanopticImage, _pack_panoptic, _unpack_panoptic),
}
"""Kinds of records by their name in the file."""


def _joined(parts: Sequence[np.ndarray], empty: np.ndarray) -> np.ndarray:
    """Concatenate arrays, of which there may be none."""
    return np.concatenate([np.asarray(part) for part in parts]) if len(parts) else empty


def _parts(values: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Split an array into parts of given lengths."""
    if int(lengths.sum()) != len(values):
        raise ValueError(f'{len(values)} values, and parts of {int(lengths.sum())}')
    return np.split(values, np.cumsum(lengths)[:-1]) if len(lengths) else []


def _check_lengths(*several: Sequence | np.ndarray) -> None:
    if len({len(one) for one in several}) > 1:
        raise ValueError(f'parts of {sorted({len(one) for one in several})} images')


def _text(value: object) -> np.ndarray:
    """Convert plain values to the bytes of their JSON; numbers stay exact."""
    text = json.dumps(value, default=_decoded, separators=(',', ':'), ensure_ascii=False)
    return np.frombuffer(text.encode('utf-8', 'surrogatepass'), np.uint8)


def _decoded(value: object) -> object:
    """Return what JSON has for bytes, which are compressed masks, and numbers of numpy."""
    if isinstance(value, bytes):
        return value.decode('ascii')
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f'{type(value).__name__} in records')


def _parsed(values: np.ndarray) -> Any:
    return json.loads(values.tobytes().decode('utf-8', 'surrogatepass'))
