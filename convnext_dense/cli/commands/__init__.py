"""Implementation of the verbs: a module for each, with ``run(args)`` that returns the exit code, or None for 0.

A module is imported only after the arguments have been checked, so it may import torch and other large packages. The
arguments are declared and checked in the module of the same name in :mod:`convnext_dense.cli.parsers`.
"""
