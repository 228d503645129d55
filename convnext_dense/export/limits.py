"""Limits of exports and their checks; imports nothing, so that the command line's help stays fast."""

DYNAMIC_MIN = 64  # pixels per side: with 32 the last stage has size 1, which torch.export treats as a constant
TOLERANCE = 1e-4  # of a difference; multiplied by the largest value if that is above 1
EQUAL_PIXELS = 0.999  # share of a label map; where two logits are nearly equal, either class may win
SAME_INSTANCES = 0.99  # share of the instances; one whose score is at the threshold may be in or out
SAME_MASKS = 0.99  # IoU of the masks of all instances; pixels whose probability is at the threshold may be in or out
