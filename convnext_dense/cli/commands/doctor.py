"""Check the installation and the machine, by the separate package ``convnext_dense_doctor``."""

from convnext_dense_doctor import run

__all__ = ['run']
