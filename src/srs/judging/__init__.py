"""A file in, a verdict out: traces and scoring put together. Knows no server; the client judges with it, too."""
