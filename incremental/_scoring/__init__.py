"""Scores of data in blocks."""
