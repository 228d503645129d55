"""A YOLO data set of three small images, for :func:`tests.helpers.small_files.write_files`."""

BOX = '0 0.5 0.5 0.2 0.4\n'
CONFIG = 'names: [cat, dog]\ntrain: images/train\nval: images/val\n'
IMAGES = {'images/train/a.png': None, 'images/train/b.png': None, 'images/val/c.png': None}
LABELS = {'labels/train/a.txt': BOX, 'labels/train/b.txt': BOX, 'labels/val/c.txt': BOX}
SMALL = {'data.yaml': CONFIG, **IMAGES, **LABELS}
