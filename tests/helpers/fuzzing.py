"""Numbers of broken files that readers are tested with."""

import os

FEW = 60
"""In the suite."""
MANY = int(os.environ.get('FUZZ_EXAMPLES', '1000'))
"""In the slow tests; each reader has also passed 10,000."""
