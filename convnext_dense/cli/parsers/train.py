"""Train a model.

convnext-dense train CONFIG --data sample            on drawn images, minutes on a laptop
convnext-dense train CONFIG --data PATH              on your data
convnext-dense train CONFIG --resume                 continue from the newest checkpoint in the work dir
convnext-dense train CONFIG --resume auto            continue, or start if there is no checkpoint yet
convnext-dense train CONFIG --without mixup cutmix   without techniques of the recipe, for an ablation
convnext-dense train CONFIG --freeze backbone        train what is on top of the weights that it starts from
convnext-dense train CONFIG --patience 10            stop when the best checkpoint no longer gets better
convnext-dense train CONFIG --balance                show rare classes more often
convnext-dense train CONFIG --batch auto             as many images at once as fit into memory; learns the same
convnext-dense train CONFIG --probe PATH             pre-training: with the accuracy of the features on labeled images
convnext-dense train CONFIG --recipe small           batch, lr, length and augmentation for few images
torchrun --nproc_per_node=8 tools/train.py CONFIG --launcher pytorch
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os

from ...config.techniques import TECHNIQUES
from ...errors import UserError
from ...sample_data.names import SAMPLE
from ..arguments import (
    EXAMPLE_CONFIG,
    add_bad_image_argument,
    add_compile_argument,
    add_config_arguments,
    add_image_arguments,
    add_normalization_arguments,
    add_trust_argument,
    check_checkpoint,
    check_config,
    check_normalization,
    parsed,
)
from ..band_arguments import add_band_arguments
from ..commercial import add_commercial_argument
from ..tile_arguments import add_tile_arguments

EXAMPLE = f'{EXAMPLE_CONFIG} --data sample'
NEWEST, AUTO = '', 'auto'  # values of --resume other than a path
# The variables that a launcher sets; the second is the number of processes.
LAUNCHERS = {'none': (), 'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'), 'slurm': ('SLURM_PROCID', 'SLURM_NTASKS')}
STARTS = {'pytorch': 'torchrun --nproc_per_node=N tools/train.py ...', 'slurm': 'srun python tools/train.py ...'}
FREEZABLE = ('stem', '1', '2', '3', '4', 'backbone')
BY_TASK = 'default'  # value of --balance alone
TRACKERS = {'wandb': 'WandbVisBackend', 'mlflow': 'MLflowVisBackend'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config_arguments(parser)
    add_image_arguments(parser)
    add_band_arguments(parser, '--rgb-bands', '--display-bands', '--image-stats')
    add_tile_arguments(parser, '--empty-tiles', '--least-visible')
    add_normalization_arguments(parser)
    add_bad_image_argument(parser)
    parser.add_argument(
        '--check-data',
        action='store_true',
        help='first check every image and annotation, like the verb check-data; for a single process',
    )
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder for checkpoints and logs (default: work_dirs/NAME_OF_CONFIG)'
    )
    parser.add_argument(
        '--pretrained',
        metavar='WEIGHTS',
        help='weights to start from: a path, the work dir of a run, a URL, timm:NAME, hf:REPO, another name that '
        "`weights` lists (dinov3_tiny, convnext_tiny_1k_224), or 'none' (default: the config's)",
    )
    parser.add_argument(
        '--pretrained-weights',
        choices=('raw', 'ema'),
        help='weights to take from that checkpoint: as trained, or their moving average (EMA) (default: raw)',
    )
    parser.add_argument(
        '--freeze',
        choices=FREEZABLE,
        help='keep the stem, the stem and the first N stages, or the whole backbone as the weights are, and train the '
        'rest: what is frozen runs without gradients, which saves time and memory',
    )
    parser.add_argument(
        '--lora',
        type=int,
        metavar='RANK',
        help="train adapters of this rank on the backbone's pointwise layers (LoRA) and keep its other weights; "
        'needs the package peft',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const=NEWEST,
        metavar='auto|CKPT',
        help='continue from a checkpoint (default: the newest in the work dir); '
        "'auto' starts if there is no checkpoint yet",
    )
    add_trust_argument(parser)
    add_commercial_argument(parser)
    parser.add_argument('--amp', choices=('off', 'fp16', 'bf16'), help="mixed precision (default: the config's)")
    add_compile_argument(parser)
    parser.add_argument(
        '--batch',
        type=parsed(parse_batch),
        metavar='N|auto',
        help='images that a process takes at once; gradients are accumulated to the total batch of the recipe as '
        "before. 'auto': as many as fit into memory, by trying (default: the config's)",
    )
    parser.add_argument(
        '--lr',
        type=parsed(parse_lr),
        metavar='LR',
        help="learning rate for the total batch of the config; find-lr suggests one (default: the config's)",
    )
    parser.add_argument('--seed', type=int, metavar='N', help="random seed (default: the config's, 0)")
    parser.add_argument('--epochs', type=int, metavar='N', help='epochs to train; the lr schedule is scaled to them')
    parser.add_argument(
        '--iters', type=int, metavar='N', help='optimizer steps to train, for configs that count steps, not epochs'
    )
    parser.add_argument(
        '--patience',
        type=int,
        metavar='N',
        help='end the run when the metric that decides best.pth has not improved in N validations in a row',
    )
    parser.add_argument(
        '--probe',
        metavar='PATH',
        help='pre-training: in each validation measure the features on labeled images, a folder for each class, by a '
        "linear layer and nearest neighbors; nothing is learned from them ('sample': drawn ones)",
    )
    parser.add_argument(
        '--balance',
        nargs='?',
        const=BY_TASK,
        type=_strength,
        metavar='STRENGTH',
        help='show images of rare classes more often, and others less, in epochs of the same length; from 0 (as they '
        'are) to 1, which in classification shows all classes equally often (default: 1 there, 0.5 in other tasks)',
    )
    parser.add_argument(
        '--recipe',
        choices=('paper', 'small'),
        help="'small' sets batch, lr, warm-up, EMA, length and a milder augmentation from the number of training "
        "images; 'paper' leaves the config's (default: paper)",
    )
    parser.add_argument(
        '--copy-paste',
        type=float,
        nargs='?',
        const=0.5,
        metavar='P',
        help='detection with masks: paste objects of another image into an image with this probability (0.5 without '
        'a number)',
    )
    parser.add_argument(
        '--skip-nan',
        type=int,
        metavar='N',
        help='skip up to N steps whose loss or gradient is NaN or infinite (default: the first one ends the run)',
    )
    parser.add_argument(
        '--without',
        nargs='+',
        default=[],
        metavar='TECHNIQUE',
        help=f'classification: leave out techniques of the recipe: {", ".join(TECHNIQUES)}',
    )
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm'),
        default='none',
        help="'pytorch' if torchrun started the processes, 'slurm' if srun did (default: none, a single process)",
    )
    parser.add_argument(
        '--track',
        nargs='+',
        choices=sorted(TRACKERS),
        default=[],
        metavar='TRACKER',
        help=f'also log to {" or ".join(sorted(TRACKERS))}',
    )


def parse_batch(text: str) -> int | str:
    """Parse ``--batch``: a whole number from 1, or ``auto``.

    Raises:
        UserError: for anything else.
    """
    if text == AUTO:
        return AUTO
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f'{text!r} is no batch: take a whole number from 1, or auto')
    return int(text)


def parse_lr(text: str) -> float:
    """Parse a learning rate.

    Raises:
        UserError: if it is no number above 0.
    """
    try:
        lr = float(text)
    except ValueError:
        lr = 0.0
    if not 0 < lr < math.inf:
        raise UserError(f'{text!r} is no learning rate: take a number above 0, such as 1e-4')
    return lr


def check(args: argparse.Namespace) -> None:
    check_config(args)
    check_normalization(args)
    absent = [name for name in LAUNCHERS[args.launcher] if name not in os.environ]
    if absent:
        raise UserError(
            f'--launcher {args.launcher} needs {absent[0]} in the environment: start with {STARTS[args.launcher]}'
        )
    if args.check_data and processes_of(args) > 1:
        raise UserError(
            '--check-data is for a run of one process: check with tools/check_data.py first, then train without it'
        )
    if args.seed is not None and not 0 <= args.seed < 2**31:
        raise UserError(f'--seed {args.seed} is out of range: take 0 to {2**31 - 1}')
    for flag, length in (('--epochs', args.epochs), ('--iters', args.iters)):
        if length is not None and length < 1:
            raise UserError(f'{flag} {length}: train at least 1')
    if args.lora is not None and args.lora < 1:
        raise UserError(f'--lora {args.lora}: take a rank of at least 1, such as 8')
    if args.lora is not None and args.pretrained == 'none' and args.resume is None:
        raise UserError(f'--lora {args.lora} adapts weights that are kept as they are: name them with --pretrained')
    if args.lora is not None and importlib.util.find_spec('peft') is None:
        raise UserError(f'--lora {args.lora} needs the package peft: pip install peft')
    if args.patience is not None and args.patience < 1:
        raise UserError(f'--patience {args.patience}: wait for at least 1 validation')
    if args.probe is not None and args.probe != SAMPLE and not os.path.isdir(args.probe):
        what = 'is no folder' if os.path.exists(args.probe) else 'does not exist'
        raise UserError(
            f'--probe {args.probe} {what}: name a folder with a folder of images for each class, or sample'
        )
    if args.balance not in (None, BY_TASK) and not 0 < args.balance <= 1:
        raise UserError(f'--balance {args.balance:g}: take a strength above 0, up to 1')
    if args.copy_paste is not None and not 0 < args.copy_paste <= 1:
        raise UserError(f'--copy-paste {args.copy_paste:g}: take a probability above 0 and up to 1, such as 0.5')
    if args.skip_nan is not None and args.skip_nan < 0:
        raise UserError(f'--skip-nan {args.skip_nan}: skip 0 steps or more')
    unknown = [name for name in args.without if name not in TECHNIQUES]
    if unknown:
        raise UserError(f'--without {unknown[0]}: there is no such technique, take some of {", ".join(TECHNIQUES)}')
    if args.resume not in (None, AUTO) and args.pretrained not in (None, 'none'):
        raise UserError('--resume brings its own weights: leave out --pretrained, or take --resume auto')
    if args.pretrained not in (None, 'none'):
        check_checkpoint(args.pretrained)
    if args.resume not in (None, NEWEST, AUTO):
        check_checkpoint(args.resume)
    for name in args.track:
        if importlib.util.find_spec(name) is None:
            raise UserError(f'--track {name} needs the package {name}: pip install -r requirements/optional.txt')


def processes_of(args: argparse.Namespace) -> int:
    """Return the number of processes that the launcher has started, as checked by :func:`check`."""
    return 1 if args.launcher == 'none' else int(os.environ[LAUNCHERS[args.launcher][1]])


def _strength(text: str) -> float | str:
    """Read the value of ``--balance``, which is the word :data:`BY_TASK` without one."""
    if text == BY_TASK:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 to 1') from None
