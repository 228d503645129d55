#!/usr/bin/env python3
import sys

from convnext_dense.cli import run_verb

if __name__ == '__main__':
    sys.exit(run_verb('run-stock'))
