"""Looking at runs: images, curves, reports."""
