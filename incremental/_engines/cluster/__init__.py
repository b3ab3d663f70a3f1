"""On the workers of a ``distributed`` cluster."""
