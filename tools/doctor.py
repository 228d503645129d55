#!/usr/bin/env python3
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # the doctor comes where nothing is installed, too

from convnext_dense_doctor import main

if __name__ == '__main__':
    sys.exit(main())
