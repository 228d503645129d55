"""Arguments shared by several verbs, and their checks. Imports nothing large, like the parsers."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..config.find import find_config, find_run_config
from ..config.option_value import parse_value
from ..data.class_choice import MERGE_EXAMPLE, ClassChoice, choice_of_flags, parse_merge, parse_names
from ..errors import UserError
from ..io.image_size import ImageSize
from ..sample_data.names import SAMPLES
from ..weights.file_kind import check_not_foreign
from ..weights.names import LIGHT_NAMES, check_known, near_names
from .split_arguments import add_split_arguments, split_rule

EXAMPLE_CONFIG = 'configs/classification/convnext_t.py'
EXAMPLE_RUN = 'work_dirs/convnext_t_sample'
DATA_FORMATS = ('coco', 'yolo', 'voc', 'labelme', 'cvat', 'via', 'supervisely', 'open_images', 'csv')
"""Names of formats, which need libraries to be read: those of :data:`convnext_dense.data.formats.FORMATS`."""
CLASSIFICATION_FORMATS = ('folders', 'classes', 'list')
"""Names of layouts: those of :data:`convnext_dense.data.classification.layout.FORMATS`."""
MASK_FORMATS = ('masks', 'coco-panoptic')
"""Further formats of segmentation: masks in files of their own, and panoptic COCO files."""
MASK_LABELS = ('index', 'color', 'binary', 'cityscapes', 'camvid')
"""Kinds of masks: those of :data:`convnext_dense.data.segmentation.options.MASK_LABELS`."""
WRITE_FORMATS = ('coco', 'yolo', 'voc', 'labelme', 'masks', 'color_masks', 'cvat', 'via', 'supervisely', 'open_images')
"""Names of the formats that are written: those of :data:`convnext_dense.data.formats.write.WRITERS`."""


def program(verb: str, script: bool) -> str:
    """The beginning of a verb's command line: the script in ``tools/``, or ``convnext-dense``."""
    return f'python tools/{verb.replace("-", "_")}.py' if script else f'convnext-dense {verb}'


def is_module() -> bool:
    """Tell whether this process was started as ``python -m convnext_dense``."""
    return Path(__file__).parents[1] in Path(sys.argv[0]).resolve().parents


def is_script() -> bool:
    """Tell whether this process was started by a script, such as those in ``tools/``."""
    return sys.argv[0].endswith('.py') and not is_module()


def command_line(args: argparse.Namespace, verb: str, *arguments: object) -> str:
    """The command line of another verb, in the form in which this one was started."""
    return f'{program(verb, args.prog.endswith(".py"))} {shlex.join(map(str, arguments))}'


def add_config_arguments(parser: argparse.ArgumentParser, roots: bool = True) -> None:
    """Add the arguments of a verb that takes a config; with ``roots``, ``--data`` also accepts a path."""
    parser.add_argument('config', metavar='CONFIG', help=f'config file, such as {EXAMPLE_CONFIG}')
    add_data_arguments(parser, roots)


def add_model_arguments(parser: argparse.ArgumentParser, roots: bool = False) -> None:
    """Add the arguments of a verb that takes a trained model: CONFIG, which a run has saved, and CHECKPOINT."""
    parser.add_argument(
        'config', metavar='CONFIG', nargs='?', help='config file (default: the one that the run saved in its work dir)'
    )
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help='checkpoint file, or the work dir of a run for its newest checkpoint'
    )
    add_data_arguments(parser, roots)


def add_data_arguments(parser: argparse.ArgumentParser, roots: bool) -> None:
    """Add ``--data``, ``--label-zero`` and ``--cfg-options``; with ``roots``, ``--data`` also accepts a path."""
    if roots:
        parser.add_argument(
            '--data',
            metavar='PATH|sample',
            help="root folder of the data set (default: the config's own); 'sample' draws a small one, no download; "
            "'sample-large' and 'sample-large-6band' draw a few scenes of 3000 pixels with many small things",
        )
    else:
        parser.add_argument('--data', choices=SAMPLES, help='the model was trained with --data of this name')
    if roots:
        add_reading_arguments(parser)
    add_label_zero_argument(parser)
    add_cfg_options(parser)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how the data set at ``--data PATH`` is read."""
    parser.add_argument(
        '--data-format',
        choices=(*DATA_FORMATS, *MASK_FORMATS, *CLASSIFICATION_FORMATS),
        help='format of the annotations at --data PATH, where several may be meant (default: the one that is there)',
    )
    add_mask_arguments(parser)
    parser.add_argument(
        '--label-column',
        metavar='NAME',
        help='classification: the column of a list of images that has their classes, where several may be meant',
    )
    add_split_arguments(parser)
    add_class_arguments(parser)


def add_mask_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how masks of images are found and read."""
    parser.add_argument(
        '--mask-labels',
        choices=MASK_LABELS,
        help='segmentation: what the masks at --data PATH hold: numbers of classes, colors, 0 and 255 of two classes, '
        'ids of Cityscapes, or labels of CamVid as SegNet has it (default: what they show)',
    )
    parser.add_argument(
        '--mask-folder',
        metavar='NAME',
        help='segmentation: name of the folder of masks at --data PATH, where there are several (default: the one '
        'that is there)',
    )


def reading_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return ``--label-zero`` and those of :func:`add_reading_arguments` as arguments of ``read_config``."""
    from ..tasks import DataOptions

    options = DataOptions(
        format=args.data_format,
        mask_labels=args.mask_labels,
        mask_folder=args.mask_folder,
        split=split_rule(args),
        replace_val=args.replace_val,
        label_column=args.label_column,
        choice=class_choice(args),
    )
    return {'label_zero': args.label_zero, 'data_options': options}


def check_reading(args: argparse.Namespace) -> None:
    """Raise a UserError if the arguments on how data are read contradict each other, or no data are named."""
    if 'val_split' not in args:
        return
    split_rule(args)
    named = ('data_format', 'mask_labels', 'mask_folder', 'label_column')
    given = next((name for name in named if getattr(args, name) is not None), None)
    if given is not None and args.data is None:
        flag = f'--{given.replace("_", "-")} {getattr(args, given)}'
        raise UserError(f'{flag} says how the data set at --data PATH is read: name it with --data PATH')


def add_class_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose classes of the data; :func:`class_choice` returns the choice."""
    parser.add_argument(
        '--classes',
        type=parsed(parse_names),
        metavar='A,B,...|@FILE',
        help='classes of the data to take, in the order of their labels; or a file with one on a line '
        '(default: all, or those of the checkpoint)',
    )
    parser.add_argument(
        '--merge',
        action='append',
        type=parsed(parse_merge),
        metavar='A,B,...->NAME',
        help=f'classes of the data to join to one, as in {MERGE_EXAMPLE}; may be given several times',
    )
    parser.add_argument(
        '--ignore-classes',
        type=parsed(parse_names),
        metavar='A,B,...|@FILE',
        help='classes of the data of which nothing is learned or measured: their objects are neither targets nor '
        'background',
    )


def class_choice(args: argparse.Namespace) -> ClassChoice | None:
    """Return the choice of classes by the arguments; None if there is none.

    Raises:
        UserError: if they contradict each other.
    """
    if not hasattr(args, 'classes'):
        return None
    return choice_of_flags(args.classes, args.merge, args.ignore_classes)


def add_image_files_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--images',
        choices=('link', 'copy', 'none'),
        default='link',
        help='images beside the annotations: hard links, which take no space (copies on another disk), copies, or '
        'none (default: link)',
    )


def add_label_zero_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--label-zero',
        choices=('ignore', 'class'),
        help='segmentation: whether 0 in the masks means unlabeled, so that labels count from 1, or is a class '
        '(default: what masks and class names say, or the run of the checkpoint)',
    )


def add_cfg_options(parser: argparse._ActionsContainer, help: str = '', **kwargs: Any) -> None:
    """Add ``--cfg-options``; :func:`parse_options` converts the strings to values."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        type=_option,
        metavar='KEY=VALUE',
        help=help or 'change values of the config, such as train_dataloader.batch_size=64',
        **{'default': [], **kwargs},
    )


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--image-size``, ``--value-range``, ``--page`` and ``--max-pixels``."""
    parser.add_argument(
        '--image-size',
        type=int,
        nargs=2,
        metavar=('H', 'W'),
        help='height and width at which images enter the network: its crops and windows, or for a detector the '
        "largest image, with its other scales in proportion (default: the config's)",
    )
    parser.add_argument(
        '--value-range',
        type=float,
        nargs=2,
        metavar=('LOW', 'HIGH'),
        help='values of the images that become black and white, such as 0 4095 for 12 bits stored in 16 '
        '(default: the full range of 8 or 16 bits; 0 to 1 for floats that are there)',
    )
    parser.add_argument(
        '--page',
        type=_from_one,
        metavar='N',
        help='page of TIFF files with several, counted from 1; thumbnails and overviews are no pages',
    )
    parser.add_argument(
        '--max-pixels',
        type=_from_one,
        metavar='N',
        help='pixels of the largest image that is decoded (default: 178956970; a broken file may claim any size)',
    )


def image_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return those of :func:`add_image_arguments` as arguments of ``read_config`` and ``load``."""
    size = ImageSize(*args.image_size) if args.image_size is not None else None
    return {'image_size': size, 'value_range': args.value_range, 'page': args.page, 'max_pixels': args.max_pixels}


def add_normalization_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--mean`` and ``--std``."""
    parser.add_argument(
        '--mean',
        type=float,
        nargs='+',
        metavar='VALUE',
        help='mean of red, green and blue, from 0 to 1, which images are normalized with; --std goes with it '
        "(default: the config's own, else that of the weights, else ImageNet's 0.485 0.456 0.406)",
    )
    parser.add_argument(
        '--std',
        type=float,
        nargs='+',
        metavar='VALUE',
        help="standard deviation of red, green and blue (ImageNet's: 0.229 0.224 0.225)",
    )


def check_normalization(args: argparse.Namespace) -> None:
    """Raise a UserError if ``--mean`` and ``--std`` do not belong together, or are not of values from 0 to 1."""
    mean, std = args.mean, args.std
    if (mean is None) != (std is None):
        raise UserError(f'--{"mean" if std is None else "std"} is given alone: give --mean and --std')
    if mean is None:
        return
    for flag, values in (('--mean', mean), ('--std', std)):
        text = f'{flag} {" ".join(f"{value:g}" for value in values)}'
        if any(value > 1 for value in values):
            raise UserError(f'{text}: it is of values from 0 to 1: divide by 255')
        if not all(0 <= value <= 1 for value in values) or (flag == '--std' and 0 in values):
            raise UserError(f'{text}: take numbers {"above 0" if flag == "--std" else "from 0"} to 1')
    if len(mean) != len(std):
        raise UserError(f'--mean has {len(mean)} values and --std {len(std)}: give one for each channel')


def normalization_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return ``--mean`` and ``--std`` as arguments of ``Chosen`` and ``load``."""
    return {'mean': args.mean, 'std': args.std}


def add_bad_image_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--on-bad-image',
        choices=('stop', 'skip'),
        default='stop',
        help='stop at an image that cannot be read, or skip and count it (default: stop)',
    )


def add_weights_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--weights',
        choices=('raw', 'ema'),
        default='raw',
        help='weights as trained, or their moving average (EMA) (default: raw)',
    )


def add_compile_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--compile',
        action='store_true',
        help='compile the backbone with torch.compile: faster steps after a slow first one; needs a C++ compiler',
    )


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--trust-pickle``, the only way to have Python objects unpickled."""
    parser.add_argument(
        '--trust-pickle',
        action='store_true',
        help='load a checkpoint that holds Python objects: its author can run any code on this machine',
    )


def check_config(args: argparse.Namespace) -> None:
    """Raise a UserError if CONFIG does not exist, or if --data is a config."""
    data = getattr(args, 'data', None)
    if data and is_config(data):
        raise UserError(f'--data {data} is a config: give the root folder of a data set, or --data sample')
    class_choice(args)
    find_config(args.config)
    check_reading(args)


def check_model(args: argparse.Namespace) -> None:
    """Set CONFIG, if it is not given, to the saved config of CHECKPOINT's run; ``saved`` is True if it was set.

    Raises:
        UserError: if config or checkpoint does not exist, or if they are swapped.
    """
    if is_config(args.checkpoint):
        if args.config is None:
            raise UserError(
                f'CHECKPOINT is missing, a file or the work dir of a run: {args.prog} {args.checkpoint} CHECKPOINT ...'
            )
        if not is_config(args.config):
            raise UserError(f'CONFIG comes before CHECKPOINT: {args.prog} {args.checkpoint} {args.config} ...')
    if args.config is not None:
        check_config(args)
    check_reading(args)
    check_checkpoint(args.checkpoint)
    args.saved = args.config is None
    if args.saved:
        args.config = str(find_run_config(args.checkpoint))


def config_and_checkpoint(args: argparse.Namespace) -> tuple[str, str | None]:
    """The first two arguments of :func:`convnext_dense.load`, which reads the config of a run in its own way."""
    return (args.checkpoint, None) if args.saved else (args.config, args.checkpoint)


def check_checkpoint(source: str) -> None:
    """Raise a UserError if a source of weights is neither an existing path, nor a URL, nor a possible name."""
    check_known(source)
    check_not_foreign(source)
    if os.path.exists(source) or ':' in source or source in LIGHT_NAMES:
        return
    near = near_names(source)
    hint = f'did you mean {" or ".join(near)}?' if near else 'check the path'
    raise UserError(f'no checkpoint at {source}: {hint}')


def is_config(path: str) -> bool:
    """Check by its suffix whether a path is that of a config, which may not exist."""
    return Path(path).suffix == '.py'


def parse_options(texts: Sequence[str] | None) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` strings; see :func:`~convnext_dense.config.option_value.parse_value`.

    Raises:
        UserError: for a value that can't be parsed.
    """
    options = {}
    for text in texts or ():
        key, value = text.split('=', maxsplit=1)
        try:
            options[key] = parse_value(value)
        except ValueError as error:
            raise UserError(f'--cfg-options {text}: {error}') from None
    return options


def parsed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Have argparse show the messages of a function that parses an argument."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _from_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is too small: take at least 1')
    return number


def _option(text: str) -> str:
    if '=' not in text:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not KEY=VALUE: expected KEY=VALUE, such as train_dataloader.batch_size=64'
        )
    return text
