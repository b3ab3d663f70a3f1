"""Pipelines out of core, as the rest of the package sees them.

The steps are trained one after the other, each in a pass over blocks::

    tree (node, composites, by_column)     what is made of what, and what learns next
      |  layout, transformers, refused     what is known of X; what can be trained, and how
      v
    passes  ->  routes                     who learns in a pass, and the way of a block to it

A block goes through the steps that are trained already, where it is computed, and reaches those
that learn in this pass.  Branches of a ColumnTransformer or a FeatureUnion learn in the same pass,
so that there are as many passes as steps with ``partial_fit`` come one after the other.
"""

from incremental._pipelines.parameters import name_params, of_inner, of_last, own_params
from incremental._pipelines.passes import NO_ROWS, Passes, first_rows
from incremental._pipelines.routes import name_row_changer, through
from incremental._pipelines.target import tags_of, who_needs_y
from incremental._pipelines.tree import (
    check,
    first_step,
    is_tree,
    learning_steps,
    needs_no_fit,
    parts,
)

__all__ = [
    "NO_ROWS",
    "Passes",
    "check",
    "first_rows",
    "first_step",
    "is_tree",
    "learning_steps",
    "name_params",
    "name_row_changer",
    "needs_no_fit",
    "of_inner",
    "of_last",
    "own_params",
    "parts",
    "tags_of",
    "through",
    "who_needs_y",
]
