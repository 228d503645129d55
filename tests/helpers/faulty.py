"""``train`` with a fault in the second step of process 1: python -m tests.helpers.faulty FAULT train-arguments..."""

import os
import signal
import sys

from convnext_dense.cli import run_verb
from convnext_dense.errors import UserError
from convnext_dense.models.classifier import ImageClassifier

steps = []


def loss(self, *args, original=ImageClassifier._loss):
    steps.append(1)
    if os.environ['RANK'] == '1' and len(steps) == 2:
        if sys.argv[1] == 'kill':
            os.kill(os.getpid(), signal.SIGKILL)
        raise UserError('bad image x.jpg')
    return original(self, *args)


if __name__ == '__main__':
    ImageClassifier._loss = loss
    sys.exit(run_verb('train', sys.argv[2:]))
