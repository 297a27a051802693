"""What a study has measured so far, sorted by what it was measured for."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from noisevote.models.study.cells import Half, OnChip
from noisevote.models.study.recorded import Recorded
from noisevote.models.study.replay import FULL, Votes
from noisevote.models.study.seeds import places_of
from noisevote.models.study.store import Measured, PointFigures, StudyStore
from noisevote.models.study.weighed import Reached

Condition = float | None
Setting = tuple[Condition, tuple[tuple[str, int], ...]]
"""A condition, and repeats by noise point in their order."""


class Results:
    """The cells of a store.

    Args:
        store: of the study.

    Attributes:
        head: of the study.
        labels: of the samples of each half.
        settings: votes by condition and repeats.
        layers: votes on the half that is chosen on, by noise point: the cells with them.
        errors: error-to-signal ratios by noise point.
        problems: cells that could not be measured.
    """

    def __init__(self, store: StudyStore) -> None:
        self.head = store.head
        self.labels = {half: store.labels(half) for half in Half}
        self._numbers = {half: store.numbers(half) for half in Half}
        self._clean: dict[Half, Votes] = {}
        runs: dict[Setting, dict[tuple[Half, int | None, int], Votes]] = defaultdict(dict)
        quiet: dict[Condition, dict[tuple[Half, int | None, int], Votes]] = defaultdict(dict)
        self.layers: dict[str, list[Measured]] = defaultdict(list)
        self.errors: PointFigures = {}
        self.problems: list[Measured] = []
        for measured in store.measured():
            cell = measured.cell
            if measured.problem is not None:
                self.problems.append(measured)
            elif cell.gives == "errors":
                self.errors = measured.figures
            elif (chip := cell.on_chip) is not None:
                self._sort_chip(measured, chip, runs, quiet)
            elif cell.sigma == 0:
                self._clean[cell.half] = measured.fell_on
            elif cell.sigma is not None:
                setting = cell.sigma, tuple(cell.condition.repeats.items())
                runs[setting][cell.half, None, cell.seed] = measured.fell_on
            else:
                self.layers[cell.only_point].append(measured)
        self.settings = {setting: self._recorded(of) for setting, of in runs.items()}
        self._quiet = {condition: self._recorded(of) for condition, of in quiet.items()}

    def _sort_chip(self, measured: Measured, chip: OnChip, runs: dict, quiet: dict) -> None:  # type: ignore[type-arg]
        cell = measured.cell
        place = cell.half, chip.chip, cell.seed
        if chip.point is not None:
            self.layers[chip.point].append(measured)
        elif chip.is_quiet:
            quiet[chip.age_s][place] = measured.fell_on
        else:
            setting = chip.age_s, tuple(cell.condition.repeats.items())
            runs[setting][place] = measured.fell_on

    def _recorded(self, runs: Mapping[tuple[Half, int | None, int], Votes]) -> Recorded:
        return Recorded(self.head, self.labels, self._numbers, runs)

    def of_votes(self, half: Half, votes: Votes) -> Recorded:
        """Return votes on a half as if one seed had cast them."""
        return self._recorded({(half, None, 0): votes})

    def clean(self, half: Half) -> Reached | None:
        """Return what the network reaches without noise and device; None if it is not measured."""
        if half not in self._clean:
            return None
        return self.of_votes(half, self._clean[half]).reached(half, 1, FULL)

    def clean_votes(self, half: Half) -> Votes:
        """Return the answers without noise and device ``[samples, 1]``, of the whole half."""
        return self._clean[half]

    def quiet(self, condition: Condition, half: Half) -> Reached | None:
        """Return what the chips reach whose reads are free of noise; None without any."""
        found = self._quiet.get(condition)
        return None if found is None else found.reached(half, 1, FULL)

    def labels_of(self, half: Half, samples: int) -> NDArray[np.int64]:
        """Return the labels of so many samples that are spread over a half."""
        labels = self.labels[half]
        return labels[places_of(samples, len(labels))]

    def clean_right(self, half: Half, samples: int) -> NDArray[np.bool_]:
        """Return whether the network without noise is right on so many samples."""
        places = places_of(samples, len(self.labels[half]))
        return np.asarray(self._clean[half][places, 0] == self.labels[half][places])
