"""The package's version; setup.py and the doctor read this file, too."""

__version__ = '0.1.0'
