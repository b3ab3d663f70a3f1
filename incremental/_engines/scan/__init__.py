"""Several fits at once, which meet and read each source block once for all of them."""
