"""How estimators that have no ``partial_fit`` learn, exactly, from summaries of blocks."""
