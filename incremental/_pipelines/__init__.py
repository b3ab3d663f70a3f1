"""Steps that are trained one after the other."""
