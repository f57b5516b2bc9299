"""Tables of notebooks: numbers to the right, however they are spelled; the same in plain text."""

import pytest

from labkit.widgets.tables import Table

TABLE = Table("Loads", ("method", "least", "parts", "score"), (("a", "0.953", 1234, "–"), ("b", "1,200.5", 2, "9")))


def test_numbers_that_were_spelled_out_are_set_to_the_right_too():
    page = TABLE._repr_html_()
    assert page.count("text-align:right") == 6
    for cell in ("0.953", "1,200.5", "1,234", "–"):
        assert page.split(f">{cell}<")[0].endswith('text-align:right;font-weight:normal"')


def test_plain_text_is_aligned_the_same_way():
    lines = repr(TABLE).splitlines()
    assert lines[1:] == [
        "method    least  parts  score",
        "a         0.953  1,234      –",
        "b       1,200.5      2      9",
    ]


@pytest.mark.parametrize("cell", ["9×9", "1-2", "3 parts", "", "1.", "v1", "2,x"])
def test_other_text_stays_on_the_left(cell):
    assert "text-align:right" not in Table("t", ("a", "b"), (("x", cell),))._repr_html_()
