"""Partition vectors in files: one part per vertex, in lines or with blanks."""

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.partition.formats import vectors


@pytest.mark.parametrize("text", ["0\n2\n1\n1\n", "0 2 1 1", "0 2\n\n1 1\n", " 0\t2 1\r\n1\r\n"])
def test_in_lines_or_with_blanks(text):
    found = vectors.read_text(text, vertices=4, parts=3)
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 1, 1]


def test_round_trip_through_a_file(tmp_path):
    part = np.random.default_rng(1).integers(0, 128, 5000)
    path = vectors.write(part, tmp_path / "new" / "part.128")
    assert np.array_equal(vectors.read(path, 5000, 128), part)
    assert path.read_text().startswith(f"{part[0]}\n{part[1]}\n")


def test_without_expectations_any_vector_is_read():
    assert vectors.read_text("5 0 7").tolist() == [5, 0, 7]
    assert vectors.read_text("").tolist() == []


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("0\n1\n0\n", "line 4, column 1", "the end of the file — expected 4 part numbers, one per vertex; 3 came"),
        ("0 1 0\n1 1\n", "line 2, column 3", "1 — expected the end of the file after 4 part numbers, 5 came"),
        ("0\n1\n2\n0\n", "line 3, column 1", "2 — expected a part from 0 to 1"),
        ("0\n-1\n1\n0\n", "line 2, column 1", "the negative number -1 — expected a whole number"),
        ("0 0.5 1 0", "line 1, column 3", "'0.5' — expected a whole number"),
        ("", "line 1, column 1", "the end of the file — expected 4 part numbers, one per vertex; 0 came"),
    ],
)
def test_each_mistake_with_its_line_and_column(text, place, words, tmp_path):
    path = tmp_path / "part.2"
    path.write_text(text)
    with pytest.raises(LabError) as caught:
        vectors.read(path, 4, 2)
    assert str(caught.value).startswith(f"{path}, {place}: found {words}")


def test_a_part_number_beyond_any_plan_is_refused():
    with pytest.raises(LabError, match="found 32767 — expected a part from 0 to 32766"):
        vectors.read_text("0 32767")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LabError, match=r"no such file: .*absent — give the path of a partition vector"):
        vectors.read(tmp_path / "absent")
