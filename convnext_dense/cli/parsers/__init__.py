"""The arguments of each verb, one module a verb: quick to import, without torch, mmengine or numpy.

Each module has

- a docstring, which is the description that ``--help`` prints;
- ``EXAMPLE``: arguments that work, for the message about a missing one;
- ``add_arguments(parser)``;
- ``check(args)``, where there is something to check: raises a :class:`~convnext_dense.errors.UserError` for what is
  wrong with the arguments alone, or with the paths that they name.

When all of it is right, :mod:`convnext_dense.cli.commands` does the work, in a module of the same name.
"""
