"""Wrong flags are answered with what was probably meant."""

import pytest

from convnext_dense.cli.main import build_parser
from convnext_dense.errors import UserError


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ('train c.py --work_dir x', 'unknown flag --work_dir: did you mean --work-dir?'),
        ('train --work_dir=x', 'unknown flag --work_dir: did you mean --work-dir?'),
        ('train c.py --cfg-option a=1', 'unknown flag --cfg-option: did you mean --cfg-options?'),
        ('train c.py --epoch 3', 'unknown flag --epoch: did you mean --epochs?'),
        ('train c.py -epochs 3', 'unknown flag -epochs: did you mean --epochs?'),
        ('train c.py --weight-decay 1e-3', 'did you mean --cfg-options optim_wrapper.optimizer.weight_decay=1e-3?'),
        ('train c.py --weight-decay=-1', 'did you mean --cfg-options optim_wrapper.optimizer.weight_decay=-1?'),
        ('train c.py --lr=-1', "--lr: '-1' is no learning rate: take a number above 0, such as 1e-4"),
        ('train c.py --batch-size', 'did you mean --batch?'),
        ('demo c.py w a.jpg --batch_size 2', 'did you mean --batch-size?'),
        ('train c.py --model.backbone.arch nano', 'did you mean --cfg-options model.backbone.arch=nano?'),
        ('train c.py --load-from a.pth', 'unknown flag --load-from: did you mean --pretrained?'),
        ('train c.py --pre a.pth', 'unknown flag --pre: did you mean --pretrained or --pretrained-weights?'),
        ('report x --xyz', 'unknown flag --xyz: convnext-dense report --help lists all flags'),
        ('report x --lr 1', 'unknown flag --lr: convnext-dense report --help lists all flags'),
        ('train c.py a.b=1', 'unexpected argument a.b=1: did you mean --cfg-options a.b=1?'),
        ('train c.py d.py', 'unexpected argument d.py: see convnext-dense train --help'),
        ('train c.py --seed x', "--seed: invalid int value: 'x'"),
        ('train c.py --amp half', "--amp: invalid choice: 'half'"),
    ],
)
def test_wrong_arguments(arguments, expected):
    verb, *argv = arguments.split()
    with pytest.raises(UserError) as error:
        build_parser(verb).parse_args(argv)
    assert expected in str(error.value)


def test_flags_may_stand_anywhere():
    args = build_parser('test').parse_args(['c.py', '--data', 'sample', 'w.pth'])
    assert (args.config, args.checkpoint) == ('c.py', 'w.pth')
    args = build_parser('test').parse_args(['--tta', 'w', '--data', 'sample'])
    assert (args.config, args.checkpoint) == (None, 'w')
    args = build_parser('demo').parse_args(['c.py', 'w', '--score', '0.5', 'a.jpg', 'b.jpg'])
    assert (args.config, args.checkpoint, args.input) == ('c.py', 'w', ['a.jpg', 'b.jpg'])


def test_negative_numbers_and_what_follows_two_dashes_are_no_flags():
    assert build_parser('train').parse_args(['c.py', '--seed', '-1']).seed == -1
    assert build_parser('demo').parse_args(['--', 'c.py', 'w', '--odd.jpg']).input == ['--odd.jpg']
