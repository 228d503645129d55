"""The work of each verb, one module a verb with ``run(args)``, which returns the exit code, or None for 0.

A module here is imported after the arguments were found to be right, so it may import torch and whatever it needs at
its top. The arguments are declared and checked in :mod:`convnext_dense.cli.parsers`, in a module of the same name.
"""
