"""Ours against its peers: speed and memory, in one process, side by side."""
