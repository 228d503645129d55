"""Read and write files, images and videos."""
