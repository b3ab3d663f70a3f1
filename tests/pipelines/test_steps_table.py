"""The README says which transformers work inside of a pipeline."""

from docs.tools.steps_table import README, table


def test_the_table_of_the_readme_is_what_happens():
    assert table() in README.read_text(), "run python docs/tools/steps_table.py"
