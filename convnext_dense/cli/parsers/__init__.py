"""Arguments of the verbs: a module for each, which imports neither torch nor mmengine nor numpy.

Each module has

- a docstring, the description that ``--help`` prints;
- ``EXAMPLE``: valid arguments, for the message about a missing one;
- ``add_arguments(parser)``;
- optionally ``check(args)``, which raises a :class:`~convnext_dense.errors.UserError` for invalid arguments or paths.

If the arguments are valid, the module of the same name in :mod:`convnext_dense.cli.commands` runs the verb.
"""
