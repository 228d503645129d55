"""Check the installation and the machine; the doctor itself is a package of its own, without imports of this one."""

from convnext_dense_doctor import run

__all__ = ['run']
