"""From containers to blocks: the only place that knows what a container is."""
