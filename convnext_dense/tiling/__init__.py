"""Tiles of large images: where they lie, and merging what is predicted in them."""
