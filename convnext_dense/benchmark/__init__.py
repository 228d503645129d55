"""Benchmark of speed and memory against other libraries, side by side in one process."""
