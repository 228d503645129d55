"""Searching for settings: a study of training runs, each with other settings, in which Optuna chooses the next ones.

Importing this package loads neither torch nor optuna.
"""
