"""Classification: image folders."""
