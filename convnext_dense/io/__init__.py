"""Reading and writing files, images and videos."""
