"""The command line."""

from .main import main, run_verb

__all__ = ['main', 'run_verb']
