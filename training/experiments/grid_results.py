"""A grid as it is stored: what was measured, and which sigma_train does best where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from noisevote.training.measure.results import Row, Table, read_table
from noisevote.training.report.markdown import same_number

VALIDATION, TEST, EXACT_TEST = "validation", "test", "exact_test"


@dataclass(frozen=True, slots=True)
class Best:
    """The best network of a grid at one sigma.

    Attributes:
        sigma_train: chosen on validation images.
        row: its share on test images.
    """

    sigma_train: float
    row: Row


@dataclass(frozen=True, slots=True)
class Grid:
    """The networks of one grid.

    Attributes:
        tables: tables by sigma_train, rising.
    """

    tables: Mapping[float, Table]

    def share(self, sigma_train: float, split: str, sigma: float, votes: int) -> Row | None:
        """Return one measured share, or None."""
        for row in self.tables[sigma_train].rows:
            is_asked = row["split"] == split and row["votes"] == str(votes)
            if is_asked and same_number(row, "sigma", sigma):
                return row
        return None

    def has(self, split: str) -> bool:
        """Return whether anything is measured on a split."""
        return any(row["split"] == split for table in self.tables.values() for row in table.rows)

    def best(self, sigma: float, votes: int, split: str = TEST) -> Best | None:
        """Return the network that does best on validation images, by its share on a test split.

        Of several the one with the smallest sigma_train is taken. None if a share is missing.
        """
        chosen: Best | None = None
        most = -1.0
        for sigma_train in self.tables:
            validation = self.share(sigma_train, VALIDATION, sigma, votes)
            test = self.share(sigma_train, split, sigma, votes)
            if validation is None or test is None:
                return None
            if float(validation["accuracy"]) > most:
                most, chosen = float(validation["accuracy"]), Best(sigma_train, test)
        return chosen


def read_grid(folder: Path) -> Grid | None:
    """Return the grid of a folder, or None if nothing of it is stored."""
    tables = {float(path.stem): read_table(path) for path in folder.glob("*.csv")}
    return Grid(dict(sorted(tables.items()))) if tables else None
