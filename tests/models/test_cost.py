"""The cost of votes against the formulas for equal layers, and against a simulated pipeline."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisevote.models.cost import Hardware, cost_of
from noisevote.models.specs import PointSpec

latencies = st.lists(st.integers(1, 20), min_size=1, max_size=6)


def points_of(count: int, evaluations: float = 1.0) -> list[PointSpec]:
    return [
        PointSpec(name=f"layer{index}", shape=(1,), macs=1, latency=evaluations)
        for index in range(count)
    ]


def hardware_of(times: list[int], energy: float = 2.0) -> Hardware:
    return Hardware(
        latency={f"layer{index}": float(time) for index, time in enumerate(times)},
        energy={f"layer{index}": energy for index in range(len(times))},
    )


def finish_of_pipeline(times: list[int], votes: int) -> int:
    """When the last vote leaves the last array; an array holds one vote at a time."""
    free = [0] * len(times)
    for _ in range(votes):
        now = 0
        for layer, time in enumerate(times):
            now = max(now, free[layer]) + time
            free[layer] = now
    return free[-1]


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 9))
def test_equal_layers_have_the_papers_latencies(votes: int, layers: int, time: int) -> None:
    cost = cost_of(votes, points_of(layers), hardware_of([time] * layers), {})
    assert cost.sequential_latency == votes * layers * time
    assert cost.pipelined_latency == (layers + votes - 1) * time
    assert cost.parallel_latency == layers * time


@given(latencies, st.integers(1, 30))
def test_pipelined_latency_is_that_of_a_simulated_pipeline(times: list[int], votes: int) -> None:
    cost = cost_of(votes, points_of(len(times)), hardware_of(times), {})
    assert cost.pipelined_latency == finish_of_pipeline(times, votes)


@given(latencies, st.integers(1, 30))
def test_votes_cost_the_energy_of_one_pass_at_sigma_over_the_root_of_their_number(
    times: list[int], votes: int
) -> None:
    cost = cost_of(votes, points_of(len(times)), hardware_of(times), {})
    assert cost.energy == votes * len(times) * 2.0
    assert cost.equal_energy_sigma(1.0) == pytest.approx(1 / math.sqrt(votes))


def test_repeats_cost_the_layer_that_is_read_again_and_no_other() -> None:
    hardware = Hardware(
        latency={"layer0": 3.0, "layer1": 1.0}, energy={"layer0": 99.0, "layer1": 1.0}
    )
    cost = cost_of(2, points_of(2), hardware, {"layer1": 20})
    assert cost.energy == 2 * (99 + 20)
    assert cost.parallel_latency == 3 + 20
    assert cost.pipelined_latency == 23 + 20
    assert cost.passes_of_energy == pytest.approx(2 * 1.19)


def test_recurrent_layer_keeps_its_array_busy_for_all_its_steps() -> None:
    gates, last = points_of(2)
    points = [gates.model_copy(update={"latency": 48.0}), last]
    cost = cost_of(20, points, hardware_of([1, 1]), {})
    assert cost.sequential_latency == 20 * 49
    assert cost.pipelined_latency == 49 + 19 * 48
