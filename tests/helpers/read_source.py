"""Read the data set that a test wrote, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from convnext_dense.data.detection.coco import CocoData, read_coco
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.faults import describe_faults
from convnext_dense.errors import UserError
from tests.helpers.small_files import write_files


def read(root: Path, split: str = 'val') -> CocoData:
    return read_coco(find_sources(str(root))[split])


def write_and_read(root: Path, files: dict, split: str = 'train', **options) -> CocoData:
    """Write small files, and read the data set that they are."""
    write_files(root, files)
    return read_coco(find_sources(str(root), 'train')[split], **options)


def only(root: Path) -> dict:
    """Read the annotations, of which there is one."""
    (annotations,) = read(root).annotations.values()
    (annotation,) = annotations
    return annotation


def lines(root: Path) -> list[str]:
    """Return each fault with its places."""
    return [f'{fault.line} ({", ".join(map(str, fault.ids))})' for fault in read(root).faults]


def said(coco: CocoData) -> list[str]:
    return describe_faults(coco.name, coco.faults)


def refusal(root: Path, split: str = 'val') -> str:
    """Return the error of reading, in one line, without the root."""
    with pytest.raises(UserError) as error:
        read(root, split)
    assert '\n' not in str(error.value)
    return str(error.value).replace(f'{root}/', '').replace(str(root), 'ROOT')


def check_shape(annotation: dict, box: list[float], area: float | None) -> None:
    """Check the box of an annotation, and the area of its only polygon; None where it is to have no mask."""
    np.testing.assert_allclose(annotation['bbox'], box, atol=1e-9)
    assert ('segmentation' in annotation) == (area is not None)
    if area is not None:
        (corners,) = annotation['segmentation']
        xs, ys = np.array(corners[::2]), np.array(corners[1::2])
        assert abs(xs @ np.roll(ys, -1) - ys @ np.roll(xs, -1)) / 2 == pytest.approx(area, abs=1e-6)
