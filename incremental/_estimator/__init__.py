"""``Incremental``: its parameters and methods."""
