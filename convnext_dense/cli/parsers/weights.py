"""List published weights by the names that train --pretrained takes, with license, normalization and results.

convnext-dense weights                     all of them, which needs no network
convnext-dense weights dinov3              those with "dinov3" in their name, arch, data, license or publisher
convnext-dense weights 'timm:*base*384'    those of which one of these matches a pattern
convnext-dense weights tiny --commercial   those whose license allows commercial use

"ImageNet-22k > 1k" is pre-training, then fine-tuning. Results are those that the publishers state: top-1 in
percent on ImageNet-1k, AP of boxes and masks on COCO, mIoU on ADE20K. * is for weights that are downloaded already.
"""

from __future__ import annotations

import argparse

EXAMPLE = 'dinov3'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'pattern', nargs='?', metavar='PATTERN', help='part of a name, arch, data or license; or a glob'
    )
    parser.add_argument(
        '--commercial',
        action='store_true',
        help='only weights whose license allows commercial use, if on conditions',
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
