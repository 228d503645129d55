"""Limits of exports and of their check; it imports nothing, for the help of the command line."""

DYNAMIC_MIN = 64  # pixels of a side: torch.export holds one position of the last stage for a special case
TOLERANCE = 1e-4  # of a difference, times the largest value where that is above 1
EQUAL_PIXELS = 0.999  # share of a label map: where two logits are as good as equal, either may win
SAME_INSTANCES = 0.99  # share of the instances: one whose score is at the threshold may be in or out
