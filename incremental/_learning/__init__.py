"""A learner, and what it learns from: batches, order, labels."""
