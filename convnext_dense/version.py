"""The version, which setup.py and the doctor read too."""

__version__ = '0.1.0'
