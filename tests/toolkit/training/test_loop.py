"""The training loop that `train` and `prune` share, with a trainee that computes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgecolor.training import validation
from edgecolor.training.loop import AfterBatch, Trainee, run_epochs
from edgecolor.training.recipe import Schedule
from edgecolor.training.run_folder import RunFolder, RunIdentity, RunState, begin_run, read_state
from edgecolor_runtime.errors import DataError, EdgecolorError

SCHEDULE = Schedule(epochs=4, full_size_epochs=2, size=32)


class FakeBatches:
    """Five batches; remembers the epochs and sizes that were asked for."""

    batch = 8

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []

    def start_epoch(self, epoch: int, size: int) -> None:
        self.started.append((epoch, size))

    def __len__(self) -> int:
        return 5


class FakeTrainee(Trainee):
    """Counts its trained epochs; a checkpoint holds this count."""

    def __init__(self, loss: float = 1.0) -> None:
        self.traced = 0
        model = SimpleNamespace(make_train_function=self._trace)
        super().__init__(model, FakeBatches())  # type: ignore[arg-type]
        self.loss, self.trained, self.published = loss, 0, 0

    def _trace(self, *, force: bool) -> None:
        assert force
        self.traced += 1

    def fit_epoch(self, epoch: int, after_batch: AfterBatch) -> dict[str, float]:
        for done in range(1, 6):
            after_batch(done, self.loss)
        self.trained += 1
        return {"loss": self.loss}

    def save_checkpoint(self, folder: Path, stem: str) -> str:
        (folder / f"{stem}.count").write_text(str(self.trained))
        return f"{stem}.count"

    def load_checkpoint(self, path: Path) -> None:
        self.trained = int(path.read_text())

    def snapshot(self) -> Any:
        return self.trained

    def publish(self, network: Any, state: RunState) -> None:
        assert network == state.done
        self.published = network

    def is_published(self, state: RunState) -> bool:
        return self.published == state.done


class InterruptedTrainee(FakeTrainee):
    """Ends right after the checkpoint of the second epoch, before the network is published."""

    def publish(self, network: Any, state: RunState) -> None:
        if state.done == 2:
            raise InterruptedError


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "figures", lambda network, data: {"val_gain_db": float(network)})


def run(trainee: FakeTrainee, folder: Path, *, keep_every: int = 1) -> list[str]:
    lines: list[str] = []
    data: Any = None
    begin_run(folder, RunIdentity({}, "", ""))
    state = read_state(folder, lines.append)
    run_epochs(trainee, data, folder, SCHEDULE, state=state, keep_every=keep_every, on_progress=lines.append)
    return lines


def test_sizes_follow_the_schedule_and_a_new_size_is_traced_anew(tmp_path: Path) -> None:
    trainee = FakeTrainee()
    run(trainee, tmp_path)
    assert trainee.batches.started == [(0, 32), (1, 32), (2, 224), (3, 224)]
    assert trainee.traced == 1


def test_the_last_two_checkpoints_remain_and_the_state_names_the_newer(tmp_path: Path) -> None:
    trainee = FakeTrainee()
    run(trainee, tmp_path, keep_every=3)
    state = read_state(tmp_path)
    assert (state.done, state.checkpoint) == (4, "epoch-0004.count")
    assert [figures.get("val_gain_db") for figures in state.epochs] == [None, None, 3.0, 4.0]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == ["epoch-0003.count", "epoch-0004.count"]
    assert trainee.published == 4


def test_a_run_resumes_after_its_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        run(InterruptedTrainee(), tmp_path)
    assert read_state(tmp_path).done == 2
    resumed = FakeTrainee()
    lines = run(resumed, tmp_path)
    assert lines[0] == "resumed after epoch 2 of 4"
    assert lines[-1].startswith("epoch 4/4 done  loss 1.000  val_gain_db 4.000")
    assert resumed.batches.started == [(2, 224), (3, 224)]
    assert resumed.published == 4


@pytest.mark.parametrize("damaged", ["epoch-0002.count", "state.json"])
@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", None])
def test_a_damaged_last_checkpoint_costs_one_epoch(
    tmp_path: Path, damaged: str, damage: bytes | None
) -> None:
    with pytest.raises(InterruptedError):
        run(InterruptedTrainee(), tmp_path)
    file = tmp_path / damaged
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage)
    lines = run(FakeTrainee(), tmp_path)
    if (damaged, damage) != ("state.json", None):
        assert str(file) in lines[0]
        assert lines.pop(0).endswith("Using the checkpoint after epoch 1.")
    assert lines[0] == "resumed after epoch 1 of 4"
    state = read_state(tmp_path)
    assert (state.done, len(state.epochs)) == (4, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"done": 3},
        {"done": None},
        {"checkpoint": 7},
        {"checkpoint": "../epoch-0002"},
        {"epochs": [None, None]},
        {"epochs": [{"seconds": "1"}] * 2},
        {"epochs": [{"seconds": 1e300}] * 2},
        {"epochs": [{"loss": 1.0}] * 2},
        {"sha256": {"../../etc/passwd": "00"}},
        {"sha256": {"epoch-0002.count": None}},
        {"sha256": {"\ud800": "00"}},
        {"sha256": {"\0": "00"}},
    ],
    ids=repr,
)
def test_a_state_with_impossible_values_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(InterruptedError):
        run(InterruptedTrainee(), tmp_path)
    state = tmp_path / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text("utf-8")) | change), "utf-8")
    assert (
        run(FakeTrainee(), tmp_path)[0]
        == f"{state}: not the state of a run. Using the checkpoint after epoch 1."
    )


def test_a_run_whose_checkpoints_are_both_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        run(InterruptedTrainee(), tmp_path)
    for number in (1, 2):
        (tmp_path / f"epoch-000{number}.count").write_bytes(b"")
    with pytest.raises(DataError, match=r"epoch-0002.count: has other bytes .* Name another folder with -o"):
        run(FakeTrainee(), tmp_path)


def test_the_folder_vanishes_while_the_network_trains(tmp_path: Path) -> None:
    class Vanishing(FakeTrainee):
        def fit_epoch(self, epoch: int, after_batch: AfterBatch) -> dict[str, float]:
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            return super().fit_epoch(epoch, after_batch)

    with pytest.raises(EdgecolorError, match="run: the folder of the run was removed or replaced"):
        run(Vanishing(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_a_folder_is_refused(tmp_path: Path) -> None:
    identity = RunIdentity({}, "", "")
    with RunFolder(tmp_path / "run", identity) as first, RunFolder(tmp_path / "run", identity) as late:
        assert not (tmp_path / "run").exists(), "a run that cannot begin leaves nothing behind"
        first.begin()
        with pytest.raises(EdgecolorError, match="another process works in this folder"):
            late.begin()
        with pytest.raises(EdgecolorError, match="another process works in this folder"):
            RunFolder(tmp_path / "run", identity)
    with RunFolder(tmp_path / "run", identity) as again:
        again.begin()


def test_a_loss_that_is_not_a_number_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="loss is not a finite number"):
        run(FakeTrainee(loss=float("nan")), tmp_path)
    assert read_state(tmp_path) == RunState()
