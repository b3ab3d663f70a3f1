"""The guide says which transformers work inside of a pipeline."""

from docs.tools.steps_table import TABLE, table


def test_the_table_of_the_guide_is_what_happens():
    assert table() == TABLE.read_text(), "run python -m docs.tools.steps_table"
