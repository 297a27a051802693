"""The command ``noisevote``."""

import json
import socket
import sys
from pathlib import Path

import httpx
import pytest
from anyio import to_thread
from typer.testing import CliRunner

from noisevote.service.cli import app, main
from noisevote.service.commands.shown import told_chips
from tests.drawing import draw_digit, png_bytes
from tests.service.support import CHECKPOINT, Json, ask, copy_of_checkpoint, encoded


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    path = tmp_path / "seven.png"
    path.write_bytes(png_bytes(draw_digit(7)))
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.png"
    path.write_bytes(png_bytes(draw_digit(7, ink=255)))
    return path


def printed(*arguments: str | Path) -> str:
    """Return what a command prints that must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run the command as from a shell and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["noisevote", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


def without_timing(reply: Json) -> Json:
    return {key: value for key, value in reply.items() if key != "timing_ms"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sigma": 0.5, "votes": 33, "alpha": 0.2, "checkpoint": CHECKPOINT},
        {"snr_db": 3.0, "stop": "exact"},
        {"noise": "additive", "sigma": 0.7},
    ],
    ids=str,
)
async def test_predict_gives_the_reply_of_the_service(
    client: httpx.AsyncClient, drawing: Path, options: Json
) -> None:
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    line = await to_thread.run_sync(
        lambda: printed("predict", drawing, "--json", "--seed=5", *flags)
    )
    over_http = await ask(client, image=encoded(drawing.read_bytes()), seed=5, **options)
    assert without_timing(json.loads(line)) == without_timing(over_http)


def test_an_early_stop_says_how_sure_its_mode_is(drawing: Path) -> None:
    shown = printed("predict", drawing, "--stop=bounded", "--delta=0.01", "--votes=40")
    assert "with a chance of at most 0.01, for any input" in shown
    assert "with a chance" not in printed("predict", drawing)


def test_several_pictures_give_a_line_each_in_order(drawing: Path, tmp_path: Path) -> None:
    other = tmp_path / "one.png"
    other.write_bytes(png_bytes(draw_digit(1)))
    lines = printed("predict", drawing, other, drawing, "--json", "--sigma=0").splitlines()
    replies = [json.loads(line) for line in lines]
    assert [reply["predictions"][0]["label"] for reply in replies] == ["7", "1", "7"]


def test_predict_prints_the_mode_its_votes_and_what_they_mean(drawing: Path) -> None:
    lines = printed("predict", drawing, "--seed=5", "--sigma=0.1").splitlines()
    assert lines[0] == (
        f"{drawing}: 7  20 votes on {CHECKPOINT}, multiplicative noise, sigma 0.1, seed 5"
    )
    assert lines[1] == "    7    20 " + "█" * 40
    assert lines[2].startswith("  agreement 1.00, one vote falls on the mode with chance 0.")
    assert lines[2].endswith(" to 1.00; sure (p = 1.9e-06)")


def test_an_early_stop_prints_no_statistics(drawing: Path) -> None:
    output = printed("predict", drawing, "--sigma=0", "--stop=exact")
    assert "11 votes on" in output
    assert "agreement" not in output


def test_a_file_name_with_brackets_is_printed_as_it_is(drawing: Path) -> None:
    odd = drawing.rename(drawing.with_name("[bold]seven[red].png"))
    assert printed("predict", odd, "--sigma=0").startswith(f"{odd}: 7 ")


def test_checkpoints_lists_names_and_accuracies() -> None:
    output = printed("checkpoints")
    assert CHECKPOINT in output
    assert "sigma_train" in output


FAULTS: dict[str, tuple[list[str], str]] = {
    "missing file": (["nosuch.png"], "nosuch.png cannot be read: No such file or directory"),
    "a folder": (["."], ". cannot be read: Is a directory"),
    "bad sigma": (["DRAWING", "--sigma=-1"], "sigma: got -1.0; allowed is a number from 0 to"),
    "NaN sigma": (["DRAWING", "--sigma=nan"], "sigma: got NaN; allowed is a number from 0 to"),
    "bad votes": (["DRAWING", "--votes=0"], "votes: Input should be greater than or equal to 1"),
    "many votes": (["DRAWING", "--votes=1001"], "votes is 1001; allowed are 1 to 1000"),
    "unknown checkpoint": (
        ["DRAWING", "--checkpoint=[red]"],
        "there is no checkpoint '[red]'; there are: ",
    ),
    "blank picture": (["DRAWING", "BLANK"], "BLANK: nothing is drawn in the image"),
    "no picture": ([__file__], f"{__file__}: the image is not a readable file"),
    "empty file": (["/dev/null"], "/dev/null: image: String should have at least 1 character"),
}


def test_an_engine_that_cannot_be_had_is_told_before_any_vote_is_cast(
    drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOISEVOTE_PRECISION", "bfloat16")
    assert run_main(monkeypatch, "predict", str(drawing), "--device=reram-cmo") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "set engine to openvino or auto" in captured.err


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_done_is_one_line_on_stderr_and_exit_code_1(
    case: str,
    drawing: Path,
    blank: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments, message = FAULTS[case]
    files = {"DRAWING": str(drawing), "BLANK": str(blank)}
    code = run_main(monkeypatch, "predict", *(files.get(a, a) for a in arguments))
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert captured.err.startswith("error: " + message.replace("BLANK", str(blank)))
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("SLOTS", "0"), ("MAX_VOTES", "many"), ("ALLOW_CLIENT_SEED", "perhaps")]
)
def test_a_wrong_setting_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"NOISEVOTE_{name}", value)
    assert run_main(monkeypatch, "checkpoints") == 1
    line = capsys.readouterr().err
    assert line.startswith(f"error: the setting NOISEVOTE_{name} is wrong: ")
    assert line.endswith(f'; got "{value}"\n')


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_one_line_that_says_how_to_name_another(
    workers: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert run_main(monkeypatch, "serve", "--port", port, "--workers", workers) == 1
    line = capsys.readouterr().err
    assert line.startswith(f"error: the service cannot listen on 127.0.0.1, port {port}: ")
    assert "in use" in line
    assert "--port" in line
    assert line.count("\n") == 1


def test_a_host_that_there_is_not_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "serve", "--host", "nowhere.invalid", "--port", "0") == 1
    line = capsys.readouterr().err
    assert line.startswith("error: the service cannot listen on nowhere.invalid, port 0: ")
    assert line.count("\n") == 1


def test_checkpoints_that_are_refused_are_named_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_of_checkpoint(tmp_path)
    (copy_of_checkpoint(tmp_path, "broken") / "card.json").write_text("[]")
    monkeypatch.setenv("NOISEVOTE_CHECKPOINTS", str(tmp_path))
    assert run_main(monkeypatch, "checkpoints") == 0
    captured = capsys.readouterr()
    assert CHECKPOINT in captured.out
    assert captured.err.startswith("refused: broken: ")
    assert captured.err.count("\n") == 1


def test_wrong_usage_has_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "predict", "x.png", "--sigma=much") == 2
    assert "--sigma" in capsys.readouterr().err


def test_predict_says_which_chips_voted_and_how(drawing: Path) -> None:
    asked = ["predict", str(drawing), "--device=reram-wan", "--votes=5", "--seed=1"]
    assert ", device reram-wan, chip 2, age 1 s, seed 1" in printed(*asked, "--chip=2")
    output = printed(*asked, "--chip=3", "--chips=2")
    assert ", device reram-wan, chips 3 to 4, age 1 s, seed 1" in output
    assert [line for line in output.splitlines() if "chip " in line] == [
        "  chip 3  7: 3",
        "  chip 4  7: 2",
    ]


@pytest.mark.parametrize(
    ("chips", "said"), [([2], "chip 2"), ([0, 1, 2], "chips 0 to 2"), ([7, 3], "chips 7, 3")]
)
def test_chips_are_told_by_their_numbers(chips: list[int], said: str) -> None:
    assert told_chips(chips) == said
