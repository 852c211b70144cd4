"""The cost model of docs/scaling.md: its formulas, the page that it makes, and its measurement."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from math import inf, prod
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scaling import model
from benchmarks.scaling.__main__ import MEASURED, main, mpirun
from benchmarks.scaling.links import SETTINGS, network
from benchmarks.scaling.model import Bucket, Link, Place
from benchmarks.scaling.page import page, predicted

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
SLOW = Link(latency=1.0, bandwidth=10.0)


@pytest.mark.parametrize(
    ("N", "by_ring", "by_tree"),
    [(1, 0.0, 0.0), (2, 2 + 4.0, 2 + 8.0), (4, 6 + 6.0, 4 + 8.0), (5, 8 + 6.4, 6 + 8.0)],
)
def test_an_exchange_of_40_bytes(N: int, by_ring: float, by_tree: float) -> None:
    assert model.ring(40, N, SLOW) == pytest.approx(by_ring)
    assert model.tree(40, N, SLOW) == pytest.approx(by_tree)
    assert model.allreduce(40, N, SLOW) == pytest.approx(min(by_ring, by_tree))


def test_reduce_scatter_and_allgather_move_an_allreduces_bytes() -> None:
    """Each of the two halves of a ring's allreduce sends N - 1 parts of N: so does ZeRO-1."""
    half = 3 * (SLOW.latency + 40 / 4 / SLOW.bandwidth)
    assert model.ring(40, 4, SLOW) == pytest.approx(2 * half)


@pytest.mark.parametrize("N", [2, 4])
def test_a_fit_finds_the_link_that_the_times_are_of(N: int) -> None:
    link = Link(3e-5, 1.5e9)
    times = [(float(size), model.ring(size, N, link)) for size in (1e3, 1e5, 1e7)]
    assert model.fit(times, N) == pytest.approx(link)


def test_a_bucket_waits_for_its_gradients_and_for_the_bucket_before_it() -> None:
    here = Place(link=Link(0.0, 1.0))  # of two workers: an exchange of S bytes takes S seconds
    # Ready at 2 and 10 of 10 seconds: the first is done at 8, the second at 13.
    assert model.exposed([Bucket(6, 0.2), Bucket(3, 1.0)], 10.0, 2, here) == pytest.approx(3)
    # The first is done at 22, and the second then takes 3.
    assert model.exposed([Bucket(20, 0.2), Bucket(3, 1.0)], 10.0, 2, here) == pytest.approx(15)
    assert model.exposed([Bucket(9, 1.0)], 10.0, 2, here) == pytest.approx(9)  # no overlap


@pytest.mark.parametrize(("in_turn", "expected"), [(True, 2 * 2.0), (False, 2.0)])
def test_latencies_pass_at_the_same_time_unless_exchanges_take_turns(
    in_turn: bool, expected: float
) -> None:
    far = Place(link=Link(1.0, inf), in_turn=in_turn)  # two messages for an exchange
    found = [Bucket(5, 1.0), Bucket(5, 1.0)]
    assert model.exposed(found, 10.0, 2, far) == pytest.approx(expected)


def test_a_step_of_four_workers_on_two_cores() -> None:
    found = [Bucket(20, 0.5), Bucket(20, 1.0)]
    here = Place(link=Link(0.0, 10.0), host=Link(0.0, 30.0), cores=2)
    step = model.step(10.0, 0.5, found, 4, here)
    assert step.compute == 20  # two turns of two workers
    # On the host, 2 exchanges of 3/2 * 20 / 30 = 1 second, in two turns each: 4. On the link, each
    # takes 3 seconds: the first is hidden behind what is left of backward, 5 seconds.
    assert (step.latency, step.bandwidth) == (0, pytest.approx(4 + 3))
    assert step.seconds == pytest.approx(27)
    assert step.limit == "compute"


def test_what_takes_most_of_a_step() -> None:
    far = model.step(1.0, 0.6, [Bucket(8, 1.0)], 8, Place(link=Link(1.0, inf)))
    assert (far.limit, far.latency) == ("latency", 6)  # of the tree: 2 * 3 messages
    narrow = model.step(1.0, 0.6, [Bucket(80, 1.0)], 8, Place(link=Link(0.0, 10.0)))
    assert (narrow.limit, narrow.bandwidth) == ("bandwidth", pytest.approx(14))


def test_networks_have_the_parameters_that_their_papers_and_programs_say() -> None:
    found = {name: network.parameters for name, network in model.NETWORKS.items()}
    assert found["mnist"] == 785 * 3136 + 3137 * 10
    assert found["blitz"] == 62_006
    assert found["gpt"] == 124_439_808  # GPT-2, whose output layer is its embedding


@pytest.mark.parametrize("name", model.NETWORKS)
@pytest.mark.parametrize("most", [1, 1 << 16, 1 << 30])
def test_buckets_have_all_gradients_and_the_last_is_ready_when_backward_ends(
    name: str, most: int
) -> None:
    network = model.NETWORKS[name]
    found = model.buckets(network, most)
    assert sum(size for size, _ in found) == 4 * network.parameters
    assert [ready for _, ready in found] == sorted(ready for _, ready in found)
    assert found[-1].ready == pytest.approx(1)
    largest = max(4 * prod(p.shape) for layer in network.layers for p in network.own(layer))
    assert max(size for size, _ in found) <= max(most, largest)


def test_states_are_shared_out() -> None:
    gpt = model.NETWORKS["gpt"]
    assert model.memory(gpt) == 16 * gpt.parameters
    assert model.memory(gpt, 8) == 9 * gpt.parameters


# -- The page --------------------------------------------------------------------------------------


@pytest.fixture
def results() -> Any:
    return json.loads(MEASURED.read_text("utf-8"))


def test_the_page_has_what_the_model_makes_of_the_measured_figures(results: Any) -> None:
    written = "`python -m benchmarks.scaling --docs --figures benchmarks/scaling/measured.json`"
    assert page(results) == PAGE.read_text("utf-8"), f"{written} writes the page"


def test_a_prediction_uses_no_step_of_several_processes(results: Any) -> None:
    before = predicted(results, "loopback", 4, "mnist", "beside")
    for run in results["runs"].values():
        run["steps"] = {}
    assert predicted(results, "loopback", 4, "mnist", "beside") == before


# -- The measurement -------------------------------------------------------------------------------


@pytest.mark.skipif(
    not (find_spec("mpi4py") and shutil.which(mpirun())), reason="no mpi4py or mpirun here"
)
def test_the_measurement_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--quick", "--json", str(tmp_path / "figures.json")]) == 0
    found = json.loads((tmp_path / "figures.json").read_text())
    steps = found["runs"]["loopback-2"]["steps"]["blitz"]
    assert all(seconds > 0 for seconds in steps.values())
    assert [*steps] == ["alone", "after", "beside"]
    assert "failed" not in found["missing"].get("near", "")  # but it takes rights to make networks
    assert capsys.readouterr().out.startswith("# Scaling")


def test_a_network_that_cannot_be_made_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # has no `ip`
    with pytest.raises(OSError, match=r"\w"), network(1, SETTINGS["near"]):
        pass


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--quick", "--docs"], "leave out --quick"),
        (["--figures", "nowhere.json"], "there is no file nowhere.json"),
    ],
)
def test_bad_flags_are_one_line(
    flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(flags)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert told in error
    assert error.count("\n") == 1
