"""From one graph to small ones: pure functions."""
