"""Laws of lists and tables in Markdown."""

from export.card.markdown import bullets
from export.card.markdown import table


def test_a_list_has_a_line_for_each_point():
    assert bullets(["one", "two"]) == "- one\n- two"


def test_a_table_has_its_titles_a_rule_and_its_rows():
    text = table(("name", "value"), [("a", 1), ("b|c", None)])
    assert text.splitlines() == [
        "| name | value |",
        "| --- | --- |",
        "| a | 1 |",
        "| b\\|c | None |",
    ]
