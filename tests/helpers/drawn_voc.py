"""The drawn scenes as XML files of Pascal VOC, written without the product."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from tests.helpers.drawn_truth import DrawnImage

OFFICIAL = ('The VOC2007 Database', 1, 0)
ROBOFLOW = ('roboflow.com', 1, 1)
OTHERS = ('Unknown', 0, 0)
"""Names of databases, and what their files add to the first and to the last corners."""


def xml(
    objects: Sequence[tuple[str, Sequence[float]]],
    size: tuple[int, int] = (40, 20),
    filename: str = '',
    convention: tuple[str, int, int] = OTHERS,
    more: str = '',
) -> str:
    """The text of a file with objects of a name and a box [x, y, width, height], counted from 0."""
    database, first, last = convention
    parts = []
    for name, (x, y, w, h) in objects:
        corners = {'xmin': x + first, 'ymin': y + first, 'xmax': x + w + last, 'ymax': y + h + last}
        box = ''.join(f'<{key}>{value:g}</{key}>' for key, value in corners.items())
        parts.append(
            f'<object><name>{escape(name)}</name><pose>Unspecified</pose><truncated>0</truncated>'
            f'<difficult>0</difficult>{more}<bndbox>{box}</bndbox></object>'
        )
    return (
        f'<annotation><folder>x</folder><filename>{filename}</filename><source><database>{database}</database></source>'
        f'<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>'
        f'<segmented>0</segmented>{"".join(parts)}</annotation>'
    )


def lay_out(images: Sequence[DrawnImage], image_folder: Path, annotations: Path, convention=OTHERS) -> None:
    """Copy images to a folder, and write their XML files to another one."""
    for folder in (image_folder, annotations):
        folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        shutil.copy(image.file, image_folder)
        objects = [(one.name, one.box) for one in image.objects]
        text = xml(objects, (image.width, image.height), image.file.name, convention)
        (annotations / f'{image.file.stem}.xml').write_text(text)
