"""``torch.compile`` for the backbone, where nearly all of the time goes."""

from __future__ import annotations

import os
import shlex
import shutil

from torch import nn

from ..errors import UserError


def compile_backbone(model: nn.Module, backend: str = 'inductor') -> None:
    """Have a model's backbone compiled at its first call, and again where images of another size ask for it.

    It stays the same module with the same parameter names, so checkpoints do not change.

    Args:
        model: anything with the backbone under ``backbone``.
        backend: of ``torch.compile``.

    Raises:
        UserError: if there is no C++ compiler.
    """
    if backend == 'inductor':
        check_compiler()
    model.get_submodule('backbone').compile(backend=backend)


def check_compiler() -> None:
    """Raise a UserError if there is no C++ compiler, which torch's compiler writes for, also on GPUs."""
    own = shlex.split(os.environ.get('CXX', ''))[:1]  # options may follow it
    if not any(map(shutil.which, [*own, 'g++', 'clang++'])):
        raise UserError('--compile needs a C++ compiler, such as g++: install one, or leave out --compile')
