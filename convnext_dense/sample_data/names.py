"""Names of the drawn data sets, as `--data` takes them. Imports nothing."""

from __future__ import annotations

SAMPLE = 'sample'
LARGE = 'sample-large'
LARGE_BANDS = 'sample-large-6band'
LARGE_SAMPLES = (LARGE, LARGE_BANDS)
"""Names of the same few large scenes with many small things, as RGB of 8 bits and as six bands of 16."""
SAMPLES = (SAMPLE, *LARGE_SAMPLES)
