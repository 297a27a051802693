"""Files of measurements: what they may hold, and what is said of those that cannot be used."""

import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noisevote.models.devices.profile import profile_of
from noisevote.models.errors import DataError
from noisevote.training.calibration.measurement_files import read_measurements
from noisevote.training.calibration.measurement_writer import write_measurements
from noisevote.training.calibration.measurements import Measurements
from noisevote.training.calibration.simulate import SimulationPlan, simulated

HEAD = "layer,column,vector,repeat,ideal,measured"
PLAN = SimulationPlan(
    vectors=30, columns=4, repeats=2, chips=2, ages_s=(60.0, 86400.0), temperatures_c=(25.0, 60.0)
)


def rows(vectors: int = 30, columns: int = 8, repeats: int = 2) -> list[str]:
    return [
        f"fc,{c},{v},{r},{v / 10},{v / 10 + r / 100 + c / 1000}"
        for c in range(columns)
        for v in range(vectors)
        for r in range(repeats)
    ]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "m.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def later(found: re.Match[str]) -> str:
    return f"fc,{int(found[1]) * 7 + 100}"


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_measurements(path)
    return str(caught.value).removeprefix(str(path)).lstrip(": ")


def assert_same(first: Measurements, second: Measurements) -> None:
    for name in ("ideal", "measured", "x_norm", "wx2", "ages_s", "temperatures_c"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-6)
    assert first.chips == second.chips
    assert first.directives == second.directives


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_a_file_holds_what_was_written(tmp_path: Path, ending: str) -> None:
    changes = {"drift": {"t0_s": 20.0, "nu": 0.05}, "temperature": {"gain_per_k": -0.001}}
    profile = profile_of({"profile": 1, "name": "p", "read": {"a": 0.1}, **changes})
    simulation, path = simulated(profile, PLAN), tmp_path / f"m.{ending}"
    write_measurements(simulation, path)
    read = read_measurements(path)
    assert read.measured.shape == (3, 2, 30, 8)
    assert_same(read, simulation)
    assert re.fullmatch("[0-9a-f]{64}", read.sha256)
    assert (read.base, read.like_base(read.temperatures_c)) == (0, [0, 2])
    assert read.like_base(read.ages_s) == [0, 1]


def test_rows_may_come_in_any_order_and_numbers_from_anywhere(tmp_path: Path) -> None:
    lines = rows()
    first = read_measurements(written(tmp_path, HEAD, *lines))
    mixed = [lines[i] for i in np.random.default_rng(1).permutation(len(lines))]
    moved = [re.sub(r"^fc,(\d+)", later, line) for line in mixed]
    second = read_measurements(written(tmp_path, HEAD, *moved))
    assert np.array_equal(first.measured, second.measured)
    assert np.array_equal(first.ideal, second.ideal)


def test_lines_on_top_say_in_which_unit_readings_are(tmp_path: Path) -> None:
    on_top = ["# by hand, note: nothing", "#unit: lsb", "#ideal_scale: 2", "#array_unit: 4"]
    found = read_measurements(written(tmp_path, *on_top, HEAD, *rows()))
    plain = read_measurements(written(tmp_path, HEAD, *rows()))
    np.testing.assert_allclose(found.ideal, plain.ideal / 2)
    np.testing.assert_allclose(found.measured, plain.measured / 4)
    assert found.directives.unit == "lsb"


def test_readings_of_about_one_age_are_one_session(tmp_path: Path) -> None:
    times = [f"{line},{60 + i / 100}" for i, line in enumerate(rows())]
    assert len(read_measurements(written(tmp_path, f"{HEAD},time_s", *times)).measured) == 1


BAD: list[tuple[Callable[[list[str]], list[str]], str]] = [
    (lambda _: [], "the head lacks layer, column"),
    (lambda _: [HEAD], "has no readings"),
    (lambda r: [HEAD.replace("layer,", ""), *r], "the head lacks layer; needed are layer, column"),
    (lambda r: [f"{HEAD},colour", *r], "the head has the unknown colour; needed are layer"),
    (lambda r: [f"{HEAD},ideal", *r], "the head has twice ideal; needed are"),
    (lambda _: [HEAD, "fc,0,0"], "line 2 has 3 values; the head has 6"),
    (lambda _: [HEAD, "fc,0,0,0,nan,1"], "line 2, column ideal: got 'nan'; allowed is a finite"),
    (lambda _: [HEAD, "fc,0,0,0,1,inf"], "line 2, column measured: got 'inf'; allowed is a finite"),
    (
        lambda _: [HEAD, "fc,0,0,0,1,1e13"],
        "line 2, column measured: got '1e13'; allowed is",
    ),
    (lambda _: [HEAD, "fc,0,0,0,1,0.1.2"], "line 2, column measured: got '0.1.2'; allowed is a"),
    (lambda _: [HEAD, "fc,0.5,0,0,1,1"], "line 2, column column: got '0.5'; allowed is a whole"),
    (lambda _: [HEAD, ",0,0,0,1,1"], "line 2, column layer: got ''; allowed are 1 to 64 letters"),
    (lambda _: [HEAD, 'fc,"0,0,0,1,1'], "line 2 is no CSV"),
    (lambda _: [f"{HEAD},x_norm", "fc,0,0,0,1,1,-1"], "line 2, column x_norm: got '-1'; allowed"),
    (lambda _: [f"{HEAD},time_s", "fc,0,0,0,1,1,-1"], "line 2, column time_s: got '-1'; allowed"),
    (lambda r: ["#ideal_scal: 2", HEAD, *r], "line 1: #ideal_scal is unknown; known are unit"),
    (lambda r: ["#array_unit: 0", HEAD, *r], "line 1: #array_unit: got '0'; allowed is above 0"),
    (lambda r: ["#unit: a", "#unit: b", HEAD, *r], "line 2: #unit stands there twice"),
    (lambda r: [HEAD, *r, r[0]], "line 482 repeats line 2: layer fc, column 0, vector 0, repeat 0"),
    (
        lambda r: [HEAD, *r[1:]],
        "of 480 readings 1 are missing, the first of layer fc, column 0, vector 0, repeat 0; every",
    ),
    (
        lambda r: [HEAD, *(re.sub(r"^fc,(\d+)", later, x) for x in r if "fc,2,4,1" not in x)],
        "of 480 readings 1 are missing, the first of layer fc, column 114, vector 4, repeat 1; ",
    ),
    (
        lambda r: [
            f"{HEAD},time_s,chip",
            *(f"{line},60,left" for line in r),
            *(f"{line},86400,left" for line in r if line.split(",")[3] == "0"),
        ],
        "of 960 readings 240 are missing, the first of chip left, layer fc, column 0, vector 0, "
        "repeat 1 in rising order from 0 on, time_s 86400; every",
    ),
    (lambda r: [HEAD, *r[:-1], "fc,7,29,1,9,9"], "line 481: ideal is 9, at line 480 it is 2.9"),
    (lambda _: [HEAD, *rows(repeats=1)], "has 1 repeats; needed are 2 or more: with one reading"),
    (lambda _: [HEAD, *rows(vectors=29)], "has 29 vectors; needed are 30 or more"),
    (lambda _: [HEAD, *rows(columns=7)], "has 7 columns; needed are 8 or more"),
    (
        lambda r: [HEAD, *r, *(line.replace("fc", "conv") for line in rows(40))],
        "layers have unequal numbers of vectors (conv: 40, fc: 30)",
    ),
]


@pytest.mark.parametrize(("lines", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_csv_is_refused_with_its_place_and_what_is_allowed(
    tmp_path: Path, lines: Callable[[list[str]], list[str]], message: str
) -> None:
    assert refused(written(tmp_path, *lines(rows()))).startswith(message)


def arrays(**changed: Any) -> bytes:
    given = {"ideal": np.ones((30, 8)), "measured": np.ones((2, 30, 8)), **changed}
    file = BytesIO()
    np.savez(file, **{name: value for name, value in given.items() if value is not None})
    return file.getvalue()


not_finite = np.ones((2, 30, 8))
not_finite[1, 2, 3] = np.nan


def npy_with_head(head: bytes) -> bytes:
    """An array whose head is as given."""
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head


def packed(**files: bytes) -> bytes:
    """An ``.npz`` of files that may be no arrays."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, of in files.items():
            archive.writestr(f"{name}.npy", of)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing", "is no .npz of arrays"),
        (arrays()[:300], "is no .npz of arrays"),
        (arrays(measured=None), "lacks measured; allowed are ideal, measured"),
        (arrays(other=np.ones(2)), "has the unknown other; allowed are ideal, measured"),
        (arrays(measured=np.ones((30, 8))), "ideal has the shape [30, 8], measured [30, 8]"),
        (arrays(measured=not_finite), "measured[1, 2, 3] is nan; allowed is a number"),
        (arrays(measured=np.ones((1, 30, 8))), "has 1 repeats; needed are 2 or more"),
        (arrays(measured=np.array("x")), "measured is of type <U1; needed are numbers"),
        (arrays(x_norm=np.ones(8)), "x_norm has the shape [8]; needed is [30, 8]"),
        (arrays(time_s=np.ones(2)), "time_s has the shape [2]; needed is [1]"),
        (arrays(chip=np.ones(3, int)), "chip has the shape [3] and type int64; needed are [8]"),
        (arrays(array_unit=-1.0), "#array_unit: got '-1.0'; allowed is above 0"),
        (arrays(ideal=np.array([object()])), "is no .npz of arrays"),
        (packed(ideal=npy_with_head(b"{'descr': (((")), "is no .npz of arrays"),
        (packed(ideal=b"no array", measured=b""), "is no .npz of arrays"),
    ],
)
def test_a_bad_npz_is_refused_with_what_is_allowed(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    assert refused(path).startswith(message)


def test_a_file_that_unpacks_to_more_than_allowed_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, ideal=np.zeros(34_000_000), measured=np.zeros(1))
    assert path.stat().st_size < 2**20
    assert "bytes; allowed are" in refused(path)


def test_what_is_no_file_of_measurements_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.csv") == "cannot be read: No such file or directory"
    (tmp_path / "m.txt").write_text("")
    assert refused(tmp_path / "m.txt") == "is neither a .csv nor a .npz"
    (tmp_path / "m.csv").write_bytes(b"layer\n\xff\n")
    assert refused(tmp_path / "m.csv") == "line 2 is no UTF-8 text"
