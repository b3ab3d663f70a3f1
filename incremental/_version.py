"""The version, which saved models carry."""

__version__ = "0.1.0"
