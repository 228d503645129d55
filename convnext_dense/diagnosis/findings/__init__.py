"""From records of images to what a diagnosis says: a module for each task with its function ``find``."""
