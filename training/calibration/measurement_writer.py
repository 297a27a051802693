"""Measurements as files."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from noisevote.models.errors import InputError
from noisevote.models.files import write_whole
from noisevote.training.calibration.measurements import Measurements


def write_measurements(measured: Measurements, path: Path) -> None:
    """Write a ``.csv`` or ``.npz`` file.

    Raises:
        InputError: the file has another ending.
        OSError: it cannot be written.
    """
    if check_ending(path) == ".npz":
        write_whole(path, npz_of(measured))
    else:
        write_whole(path, ("\n".join(lines_of(measured)) + "\n").encode())


def check_ending(path: Path) -> str:
    """Return the ending of a file of measurements, in small letters.

    Raises:
        InputError: the file has another ending.
    """
    ending = path.suffix.lower()
    if ending not in {".npz", ".csv"}:
        raise InputError(f"{path} is neither a .csv nor a .npz", "output")
    return ending


def npz_of(measured: Measurements) -> bytes:
    """Return measurements as whole arrays."""
    arrays: dict[str, Any] = {
        "x_norm": measured.x_norm,
        "wx2": measured.wx2,
        "time_s": measured.ages_s,
        "temperature_c": measured.temperatures_c,
        "reads_gap_s": measured.directives.reads_gap_s,
        "rows": measured.directives.rows,
    }
    file = BytesIO()
    np.savez_compressed(
        file,
        ideal=measured.ideal,
        measured=measured.measured,
        layer=np.array(measured.layers),
        chip=np.array(measured.chips),
        unit="array units",
        array_unit=1.0,
        t0_s=measured.directives.t0_s,
        **{name: values for name, values in arrays.items() if values is not None},
    )
    return file.getvalue()


def lines_of(measured: Measurements) -> Iterator[str]:
    """Yield the lines of a long file, a reading a row."""
    yield "# ideal and measured are in array units"
    yield "#unit: array units"
    yield "#array_unit: 1"
    yield f"#t0_s: {measured.directives.t0_s:g}"
    for key in ("reads_gap_s", "rows"):
        if (value := getattr(measured.directives, key)) is not None:
            yield f"#{key}: {value:g}"
    of_cell = {"x_norm": measured.x_norm, "wx2": measured.wx2}
    of_session = {"time_s": measured.ages_s, "temperature_c": measured.temperatures_c}
    names = [name for name, values in {**of_cell, **of_session}.items() if values is not None]
    yield ",".join(["chip,layer,column,vector,repeat,ideal,measured", *names])
    sessions, repeats, vectors, columns = measured.measured.shape
    for session in range(sessions):
        conditions = "".join(
            f",{values[session]:g}" for values in of_session.values() if values is not None
        )
        for vector, column in np.ndindex(vectors, columns):
            place = f"{measured.chips[column]},{measured.layers[column]},{column},{vector}"
            ideal = f"{measured.ideal[vector, column]:.7g}"
            inputs = "".join(
                f",{values[vector, column]:.7g}"
                for values in of_cell.values()
                if values is not None
            )
            readings = measured.measured[session, :, vector, column].tolist()
            for repeat, reading in zip(range(repeats), readings, strict=True):
                yield f"{place},{repeat},{ideal},{reading:.7g}{inputs}{conditions}"
