"""The planner on options of known accuracy and cost."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.errors import InputError
from noisevote.models.stopping import StopRule
from noisevote.models.study.conclusions import Conclusions, Yardstick, pareto, recommended
from noisevote.models.study.costs import CostModel
from noisevote.models.study.planner import Demand, planned
from noisevote.models.study.weighed import Ceiling, Costs, Option, Reached, Weighed
from tests.models.study.heads import head_of

MNIST = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0").card
HERMES = DeviceStore().find("pcm-hermes-2t")


def reached(accuracy: float) -> Reached:
    return Reached(
        accuracy=accuracy, interval=(max(accuracy - 0.02, 0), min(accuracy + 0.02, 1)),
        samples=100, runs=(accuracy,), mean_votes=3.0, p99_votes=5,
    )  # fmt: skip


def option(
    votes: int, accuracy: float, energy: float, latency_s: float | None = None, **more: object
) -> Weighed:
    return Weighed(
        option=Option(condition=1.0, votes=votes, **more),
        choice=reached(accuracy),
        report=None,
        costs=Costs(energy=energy, unit="passes", latency_s=latency_s),
    )


OPTIONS = (
    option(1, 0.80, 1.0, 3.0),
    option(5, 0.95, 5.0, 1.0),
    option(1, 0.95, 1.5, 4.0, repeats={"fc2": 16}),
    option(20, 0.97, 20.0, 2.0),
    option(20, 0.97, 9.0, 9.0, stop=StopRule.BOUNDED, delta=0.001),
)


def conclusions(options: tuple[Weighed, ...] = OPTIONS) -> Conclusions:
    return Conclusions(
        clean_choice=reached(0.98), clean=reached(0.98),
        ceilings=(Ceiling(condition=1.0, votes=100, choice=reached(0.975), report=None),),
        options=options, operating=1.0, reference=options[0].option, recommended=None,
    )  # fmt: skip


def plan(**wanted: float) -> Weighed:
    return planned(conclusions(), head_of(), MNIST, Demand(**wanted)).chosen


def test_an_accuracy_is_met_by_the_least_energy() -> None:
    assert plan(accuracy=0.95) is OPTIONS[2]
    assert plan(accuracy=0.96) is OPTIONS[4]


def test_an_energy_or_a_latency_is_met_by_the_most_accuracy() -> None:
    assert plan(energy=1.2) is OPTIONS[0]
    assert plan(energy=5.0) is OPTIONS[2]
    assert plan(latency_s=2.5) is OPTIONS[3]


def test_to_be_sure_takes_the_lower_end_of_the_interval() -> None:
    found = planned(conclusions(), head_of(), MNIST, Demand(accuracy=0.94), is_sure=True)
    assert found.chosen is OPTIONS[4]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"accuracy": 0.99}, r"best reaches 0\.9700 .*about 0\.9750 at most"),
        ({"energy": 0.5}, "the cheapest option takes 1"),
        ({"latency_s": 0.5}, "the cheapest option takes 1"),
    ],
)
def test_what_nothing_meets_is_refused_with_what_there_is(
    wanted: dict[str, float], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plan(**wanted)


def test_a_condition_that_was_not_studied_is_refused_with_those_that_were() -> None:
    with pytest.raises(InputError, match=r"sigma is 0\.7; the study has 1:"):
        planned(conclusions(), head_of(), MNIST, Demand(accuracy=0.9), 0.7)


def test_a_latency_is_refused_where_the_device_tells_no_costs() -> None:
    options = (option(1, 0.8, 1.0),)
    with pytest.raises(InputError, match="knows no latencies"):
        planned(conclusions(options), head_of(), MNIST, Demand(latency_s=1.0))


def test_the_body_asks_for_just_the_option() -> None:
    found = planned(conclusions(), head_of(), MNIST, Demand(accuracy=0.96))
    assert found.body == {
        "checkpoint": "theirs", "sigma": 1.0, "votes": 20, "stop": "bounded", "delta": 0.001
    }  # fmt: skip
    other = planned(conclusions(), head_of(kind="additive"), MNIST, Demand(accuracy=0.95))
    assert other.body["noise"] == "additive"
    assert other.body["repeats"] == {"fc2": 16}
    on_device = head_of(device=HERMES, ages_s=(60.0,), chips=3)
    assert planned(conclusions(), on_device, MNIST, Demand(accuracy=0.9)).body == {
        "checkpoint": "theirs", "device": "pcm-hermes-2t", "age_s": 1.0, "repeats": {"fc2": 16},
        "votes": 1,
    }  # fmt: skip


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 100)), min_size=1, max_size=12))
def test_nothing_as_cheap_reaches_or_beats_an_option_of_the_front(
    given_: list[tuple[float, float]],
) -> None:
    options = [option(1, accuracy, energy) for accuracy, energy in given_]
    front = pareto(options)
    for of in front:
        cheap = [o for o in options if o.costs.energy <= of.costs.energy and o is not of]
        assert all(
            o.choice.accuracy < of.choice.accuracy or o.costs.energy == of.costs.energy
            for o in cheap
        )
    assert max(o.choice.accuracy for o in options) == front[-1].choice.accuracy


def choice(
    tolerance: float, clean: float, options: Sequence[Weighed] = OPTIONS
) -> tuple[Weighed, Yardstick, float, bool]:
    found = recommended(options, tolerance, clean)
    assert found is not None
    return found.chosen, found.yardstick, found.accuracy, found.is_shown


@pytest.mark.parametrize(
    ("tolerance", "clean", "place", "yardstick", "accuracy"),
    [
        pytest.param(0.03, 0.98, 2, Yardstick.CLEAN, 0.98, id="against no noise"),
        pytest.param(0.005, 0.98, 4, Yardstick.BEST, 0.97, id="where nothing comes near to that"),
        pytest.param(0.03, 0.80, 2, Yardstick.VOTES, 0.97, id="where noise and votes gain"),
        pytest.param(0.18, 0.80, 0, Yardstick.VOTES, 0.97, id="the least energy of those"),
    ],
)
def test_by_estimates_what_is_recommended_loses_no_more_than_is_accepted(
    tolerance: float, clean: float, place: int, yardstick: Yardstick, accuracy: float
) -> None:
    assert choice(tolerance, clean) == (OPTIONS[place], yardstick, accuracy, False)


def test_what_is_shown_to_lose_little_comes_before_what_seems_to() -> None:
    seems = option(1, 0.97, 1.0).model_copy(update={"over_votes": -0.03, "over_clean": 0.1})
    shown = option(10, 0.965, 8.0).model_copy(update={"over_votes": -0.01, "over_clean": 0.1})
    top = option(20, 0.97, 20.0).model_copy(update={"over_votes": 0.0, "over_clean": 0.1})
    every = (seems, shown, top)
    assert choice(0.01, 0.80, every) == (shown, Yardstick.VOTES, 0.97, True)
    assert choice(0.005, 0.80, every) == (top, Yardstick.VOTES, 0.97, True)
    assert choice(0.01, 0.975, every) == (seems, Yardstick.CLEAN, 0.975, True)


def test_many_repeats_on_few_samples_are_no_yardstick() -> None:
    lucky = option(10, 0.99, 15.0, repeats={"fc2": 2})
    assert choice(0.03, 0.90, [*OPTIONS, lucky])[1:3] == (Yardstick.VOTES, 0.97)


def test_what_was_recorded_on_other_samples_comes_first() -> None:
    cheap, confirmed = option(1, 0.97, 1.0), option(2, 0.96, 2.0)
    confirmed = confirmed.model_copy(update={"report": reached(0.96)})
    assert choice(0.02, 0.96, [cheap, confirmed])[0] is confirmed
    assert choice(0.001, 0.97, [cheap, confirmed])[0] is cheap


def test_what_loses_just_the_tolerance_is_good_enough() -> None:
    exact = (option(1, 0.7, 1.0), option(20, 0.8, 20.0))
    assert choice(0.1, 0.5, exact)[0] is exact[0]
    worse = exact[0].model_copy(update={"over_votes": 0.7 - 0.8})
    assert choice(0.1, 0.5, (worse, exact[1]))[0] is worse


def test_a_plan_tells_what_to_know_before_relying_on_it() -> None:
    worse = option(3, 0.96, 1.0).model_copy(update={"report": reached(0.91)})
    found = planned(conclusions((worse,)), head_of(), MNIST, Demand(accuracy=0.95))
    missed, abstains = found.remarks
    assert "on other samples it reaches 0.9100, less than the 0.95 that was asked" in missed
    assert "fewer than 6 votes always abstain" in abstains
    stopped = option(20, 0.96, 1.0, stop=StopRule.EXACT, delta=None)
    found = planned(conclusions((stopped,)), head_of(), MNIST, Demand(accuracy=0.95))
    unconfirmed, stops = found.remarks
    assert "not recorded on other samples" in unconfirmed
    assert "answers that exact may stop have no interval" in stops
    many = option(6, 0.96, 1.0).model_copy(update={"report": reached(0.96)})
    assert planned(conclusions((many,)), head_of(), MNIST, Demand(energy=2.0)).remarks == ()
    chips = many.model_copy(
        update={"report": reached(0.96).model_copy(update={"runs": (0.9, 0.99, 0.98)})}
    )
    on_chips = head_of(device=HERMES, ages_s=(1.0,), chips=3)
    (first,) = planned(conclusions((chips,)), on_chips, MNIST, Demand(energy=2.0)).remarks
    assert "cast on chip 0, which reaches 0.9000" in first


def test_a_difference_of_less_than_one_sample_is_not_paid_for() -> None:
    dear = option(5, 0.964, 5.0, 1.0, chips=5)
    cheap = option(1, 0.96, 1.0, 1.0)
    both = conclusions((dear, cheap))
    for demand in (Demand(latency_s=2.0), Demand(energy=9.0)):
        assert planned(both, head_of(), MNIST, demand).chosen is cheap
    better = conclusions((dear, option(1, 0.95, 1.0, 1.0)))
    found = planned(better, head_of(), MNIST, Demand(latency_s=2.0))
    assert found.chosen is dear
    assert "an option of 1 pass reaches 0.9500, which lies in the interval" in found.remarks[-1]
    worse = conclusions((dear, option(1, 0.90, 1.0, 1.0)))
    remarks = planned(worse, head_of(), MNIST, Demand(latency_s=2.0)).remarks
    assert not any("lies in the interval" in remark for remark in remarks)


def test_the_best_that_is_told_is_the_best_by_what_was_asked_for() -> None:
    wide, narrow = option(1, 0.97, 1.0), option(1, 0.96, 1.0)
    sure = narrow.choice.model_copy(update={"interval": (0.955, 0.965)})
    both = conclusions((wide, narrow.model_copy(update={"choice": sure})))
    with pytest.raises(InputError, match=r"for sure .*: the best reaches 0\.9600 \[0\.9550"):
        planned(both, head_of(), MNIST, Demand(accuracy=0.96), is_sure=True)


def test_nothing_is_recommended_where_nothing_was_weighed() -> None:
    assert recommended([], 0.01, 0.98) is None


def test_costs_are_those_of_whole_tiles_of_the_device() -> None:
    costs = CostModel(head_of(device=HERMES, ages_s=(60.0,)), MNIST)
    one = costs.of({}, 1, 1)
    assert one.unit == "J"
    assert one.energy == pytest.approx(44.94e-6, rel=1e-3)
    assert one.latency_s == pytest.approx(260.8e-6, rel=1e-3)
    piped, waiting = costs.of({}, 20, 20), costs.of({}, 20, 20, stops_early=True)
    assert piped.latency_s == pytest.approx(260.8e-6 + 19 * 104.2e-6, rel=1e-3)
    assert waiting.latency_s == pytest.approx(20 * 260.8e-6, rel=1e-3)
    assert costs.of({}, 20, 20, chips=20).latency_s == pytest.approx(260.8e-6, rel=1e-3)
    assert costs.of({"fc2": 16}, 1, 1).energy == pytest.approx(
        one.energy + 15 * costs.energy_of_layers["fc2"]
    )


def test_without_costs_energy_is_counted_in_passes() -> None:
    costs = CostModel(head_of(), MNIST)
    found = costs.of({"fc2": 16}, 2.5, 5)
    share = MNIST.noise_points[-1].macs / MNIST.macs
    assert found.energy == pytest.approx(2.5 * (1 + 15 * share))
    assert (found.unit, found.latency_s) == ("passes", None)
