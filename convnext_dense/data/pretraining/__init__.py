"""Images without labels, for pre-training: any folder of images."""
