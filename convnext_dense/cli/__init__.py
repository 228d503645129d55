"""The command line."""

from .main import build_parser, main, run_verb

__all__ = ['build_parser', 'main', 'run_verb']
