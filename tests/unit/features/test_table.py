"""Tables of features on disk, read on access."""

from __future__ import annotations

import numpy as np

from godeeper.features.table import ROWS_AT_ONCE, FeatureTable, TableRows, blocks

WIDTHS = {"mixed/join": 3, "mixed_1/join": 5}
COUNT = ROWS_AT_ONCE + 7


def filled() -> tuple[FeatureTable, dict[str, np.ndarray]]:
    """Return a table of random numbers, and these numbers."""
    chance = np.random.default_rng(0)
    expected = {name: chance.normal(size=(COUNT, width)).astype(np.float16) for name, width in WIDTHS.items()}
    tables = FeatureTable(WIDTHS, COUNT)
    for name, array in tables.writable().items():
        array[:] = expected[name]
    return tables, expected


def test_what_is_written_is_read() -> None:
    """The values of each module are read back unchanged."""
    tables, expected = filled()
    assert list(tables) == list(WIDTHS)
    for name, values in expected.items():
        assert tables[name].dtype == np.float32
        np.testing.assert_array_equal(tables[name], values.astype(np.float32))
    tables.close()


def test_parts_of_parts() -> None:
    """Selecting photos twice works, whether the tables are on disk or in memory."""
    tables, expected = filled()
    rows, fewer = np.arange(COUNT)[::-3], np.array([0, 5, 2])
    for source in (tables, {name: values.astype(np.float32) for name, values in expected.items()}):
        part = TableRows(TableRows(source, rows), fewer)
        np.testing.assert_array_equal(part["mixed_1/join"], expected["mixed_1/join"][rows][fewer])
    tables.close()


def test_blocks() -> None:
    """The blocks of a module, joined, equal the whole module, for a selection of photos too."""
    tables, expected = filled()
    for features in (tables, TableRows(tables, np.arange(COUNT)), {name: tables[name] for name in tables}):
        pieces = list(blocks(features, "mixed_1/join"))
        assert [len(piece) for piece in pieces] == [ROWS_AT_ONCE, 7]
        np.testing.assert_array_equal(np.concatenate(pieces), expected["mixed_1/join"])
    tables.close()


def test_no_photos() -> None:
    """Without photos, the empty arrays have the right width."""
    tables = FeatureTable(WIDTHS, 0)
    assert tables["mixed/join"].shape == (0, 3)
    tables.close()
