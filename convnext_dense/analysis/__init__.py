"""Looking at runs: pictures, curves, reports."""
