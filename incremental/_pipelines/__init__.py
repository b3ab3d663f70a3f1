"""Steps that are trained one after the other, out of core.

Each takes a pass over blocks::

    tree (node, composites, by_column)     what is made of what, and what learns next
      |  layout, transformers, refused     what is known of X; what can be trained, and how
      v
    passes  ->  routes                     who learns in a pass, and the way of a block to it

A block goes through the steps that are trained already, where it is computed, and reaches those
that learn in this pass.  Branches of a ColumnTransformer or a FeatureUnion learn in the same pass,
so that there are as many passes as steps with ``partial_fit`` come one after the other.
"""
