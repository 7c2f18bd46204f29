"""The published figures: their own averages, and marks that keep them apart from ours."""

import pytest

from train.evaluation import published

EVERY = (
    *published.ACCURACY,
    *published.PICTURES,
    *published.VGG_SCORE,
    *published.ICC,
    *published.MSE,
    *published.VERIFICATION,
)


@pytest.mark.parametrize("row", [*published.ICC, *published.MSE], ids=lambda row: row.label)
def test_an_average_is_that_of_its_units_as_printed(row: published.Published) -> None:
    units = [row.figures[unit] for unit in published.UNITS]
    # Both were rounded to two places before they were printed.
    assert sum(units) / len(units) == pytest.approx(row.figures["average"], abs=0.0101)


def test_every_row_names_its_method_data_and_table() -> None:
    assert all(row.method and row.data and "Table" in row.source for row in EVERY)


def test_a_method_has_one_row_a_table_and_data_set() -> None:
    for rows in (published.ACCURACY, published.PICTURES, published.ICC, published.VERIFICATION):
        names = [(row.label, row.source) for row in rows]
        assert len(set(names)) == len(names)


def test_r_does_not_depend_on_the_method() -> None:
    for data in ("RaFD", "CFEE"):
        assert len({row.figures["R"] for row in published.ACCURACY if row.data == data}) == 1
