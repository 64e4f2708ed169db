"""Container images, made of the store's verified files and pinned Debian packages; the same bytes each time."""
