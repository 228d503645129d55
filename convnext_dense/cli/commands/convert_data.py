"""Write a data set in the format of another program."""

from __future__ import annotations

import argparse

from ...counting import counted
from ...data.convert import ReadData, read_data_set
from ...data.formats.write import WRITERS, Written, write_data_set
from ...data.segmentation.label_zero import AUTO
from ...data.segmentation.options import AS_FOUND, MaskOptions
from ...errors import UserError
from ...io.progress import progress_bar
from ..arguments import class_choice


def run(args: argparse.Namespace) -> None:
    label_zero = AUTO if args.label_zero is None else args.label_zero == 'ignore'
    masks = MaskOptions(args.mask_labels or AUTO, args.mask_folder)
    read = read_data_set(args.source, args.data_format, label_zero, masks, class_choice(args))
    for line in read.lines:
        print(line)
    if args.label_zero is not None and not read.has_label_maps:
        raise UserError(f'--label-zero is for masks, and {args.source} has objects: leave it out')
    if masks != AS_FOUND and not read.has_label_maps:
        raise UserError(f'--mask-labels and --mask-folder are for masks, and {args.source} has objects')
    if WRITERS[args.to].of_label_maps and not read.has_masks:
        raise UserError(
            f'{args.source} has boxes without masks, of which no label maps are made: choose another format with --to'
        )
    print(describe_written(write(read, args.to, args.target, args.images), args.to, args.target))


def write(read: ReadData, name: str, target: str, images: str = 'link') -> Written:
    """Write a data set with a progress bar; see :func:`~convnext_dense.data.formats.write.write_data_set`."""
    with progress_bar() as bar:
        task = bar.add_task('images', total=read.total)
        return write_data_set(read.data, read.has_label_maps, name, target, images, lambda: bar.advance(task))


def describe_written(written: Written, name: str, target: str) -> str:
    """Describe in one line what was written, and what was changed and lost."""
    unit = 'label map' if WRITERS[name].of_label_maps else 'annotation'
    what = f'{counted(written.images, "image")}, {counted(written.annotations, unit)} written to {target}'
    kinds = [
        counted(count, kind, kinds)
        for count, kind, kinds in (
            (written.links, 'image is a hard link', 'images are hard links'),
            (written.copies, 'image is a copy', 'images are copies'),
        )
        if count
    ]
    parts = [what, *([', '.join(kinds)] if kinds else ['no images'])]
    if written.changed:
        parts.append(f'changed: {", ".join(written.changed)}')
    if written.lost:
        parts.append(f'lost: {", ".join(written.lost)}')
    return '; '.join(parts)
