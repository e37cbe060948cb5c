"""Chooses the widths of a network: the MobileNet's multiplier, alpha, and the width of encoder and decoder.

A trial slims the trained network to a candidate's widths, lets it learn for a while with the wide one as
its teacher, exports it to int8 and measures that. Optuna remembers every trial, proposes the next ones, and
shares them among processes and machines. The choice is then trained further. A folder holds it all:

    recipe.json               what was asked for
    study.db                  the trials, where no --storage is named
    trial-0003/               start.keras, what slimming left; run/, its training
    chosen/                   the training of the choice
    model.keras, model.json   the choice, and the facts about it
    pareto.json, pareto.svg   the trials that no other one beats
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna

from edgecolor.compression.candidates import Candidate, Limits, choose, describe, pareto
from edgecolor.compression.pareto_plot import pareto_svg
from edgecolor.compression.slimming import STEP, slim
from edgecolor.compression.val_accuracy import Decibels, difference, val_psnr
from edgecolor.data.dataset import Dataset, open_dataset, whole
from edgecolor.exporting.pipeline import export
from edgecolor.network.fusion import decoder_width, macs, widths
from edgecolor.network.keras_file import fingerprint, load_network, save_network
from edgecolor.support.timing import ratios, spread
from edgecolor.tflite.graph import read_graph
from edgecolor.tflite.latency import invoke_times
from edgecolor.training.loop import train
from edgecolor.training.recipe import Recipe
from edgecolor.training.run_folder import RECIPE, STATE, alone_in, open_run, read_json, write_json
from edgecolor_runtime.errors import DataError, GateError, UsageError
from edgecolor_runtime.models.model_file import read
from edgecolor_runtime.system import files

RANKED = 32  # training photographs on which channels are ranked
NARROWEST = 4 / STEP, 16  # alpha and width below which nothing is left to color with
FIRST = (0.5, 0.75, 0.625)  # shares of the network's alpha that are tried first, the decoder in proportion
HEARTBEAT, SILENCE = (
    10,
    40,
)  # seconds between signs of life of a trial; without one, another process redoes it

TRIAL_RUN = "run"  # the folder of a trial's training

Say = Callable[[str], None]


@dataclass(frozen=True)
class Tuning:
    """How the search goes."""

    trials: int = 8
    minutes: float | None = None  # after these no further trial begins
    epochs: int = 1  # of a trial
    size: int = 96  # pixels a side in a trial
    finish_epochs: int = 4  # of the choice, at 128 pixels
    batch: int = 32
    learning_rate: float = 1e-3
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuses what cannot be searched."""
        if self.trials < 1 or self.epochs < 1 or self.finish_epochs < 0:
            raise UsageError("--trials and --epochs must be at least 1, --finish-epochs at least 0.")
        if self.minutes is not None and self.minutes <= 0:
            raise UsageError("--minutes must be above 0.")


@dataclass(frozen=True)
class Tuned:
    """The result."""

    path: str
    wide: Candidate
    trials: tuple[Candidate, ...]
    pareto: tuple[Candidate, ...]
    chosen: Candidate  # as its trial left it
    finished: Candidate  # after its further training
    minutes: float  # of all trials and of the choice's training


class Tuner:
    """One process's part in a study."""

    def __init__(
        self, model: Path, data_path: Path, folder: Path, tuning: Tuning, calibration: Path, say: Say
    ) -> None:
        """Measures the wide network; raises what its parts raise."""
        self._model, self._data_path, self._folder = model, data_path, folder
        self._tuning, self._calibration, self._say = tuning, calibration, say
        self._data: Dataset = open_dataset(data_path)
        if not len(self._data.rows["val"]):
            raise DataError(f"{data_path}: no val photographs to measure by: prepare it with --split.")
        self._network = load_network(model)
        self._widths = widths(self._network)
        searched = asdict(replace(tuning, trials=1, minutes=None, finish_epochs=0))
        asked = {"recipe": searched | {"model": fingerprint(self._network)}} | self._data.identity
        open_run(folder, asked)
        folder.mkdir(parents=True, exist_ok=True)
        self._flatbuffer = self._int8(model)
        self._psnr: Decibels = val_psnr(self._flatbuffer, self._data)
        self._latency = spread(
            [1000 * t.processor for t in invoke_times({"wide": self._flatbuffer})["wide"]]
        ).median
        self.wide = self._candidate(self._flatbuffer, self._psnr, self._widths)
        write_json(folder / RECIPE, asked)

    def measured(self, model: Path) -> Candidate:
        """A .keras file as int8: accuracy, size, and time in turns with the wide network."""
        flatbuffer = self._int8(model)
        return self._candidate(flatbuffer, val_psnr(flatbuffer, self._data), widths(load_network(model)))

    def _candidate(self, flatbuffer: bytes, found: Decibels, found_widths: tuple[float, int]) -> Candidate:
        times = invoke_times({"this": flatbuffer, "wide": self._flatbuffer})
        lost = difference(self._psnr, found)
        return Candidate(
            *found_widths,
            psnr=float(found.mean()),
            loss=lost.mean,
            loss_error=lost.error,
            macs=read_graph(flatbuffer).macs / 1e6,
            size=len(flatbuffer) / 1000,
            latency=self._latency * ratios(times["this"], times["wide"]).median,
        )

    def _int8(self, model: Path) -> bytes:
        with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
            out = Path(folder) / "model.tflite"
            export(model, out, calibration=self._calibration, name="candidate")
            return read(out).flatbuffer

    def search(self, study: optuna.Study, limits: Limits) -> None:
        """Runs trials until there are enough, or the time is over."""
        for alpha, width in self._first(limits):
            study.enqueue_trial({"alpha": round(alpha * STEP), "width": width}, skip_if_exists=True)
        enough = optuna.study.MaxTrialsCallback(
            self._tuning.trials, states=(optuna.trial.TrialState.COMPLETE,)
        )
        if len(complete(study)) < self._tuning.trials:
            minutes = self._tuning.minutes
            study.optimize(
                lambda trial: self._trial(trial, limits),
                timeout=None if minutes is None else 60 * minutes,
                callbacks=[enough],
            )

    def _first(self, limits: Limits) -> list[tuple[float, int]]:
        """Networks of the family's own proportions, the dearest that the limits allow among them."""
        most, width = self._widths
        scale = width / decoder_width(most)
        alphas = [s * most for s in FIRST]
        if limits.macs:
            steps = range(round(most * STEP), round(NARROWEST[0] * STEP) - 1, -1)
            fitting = (k / STEP for k in steps if _within(limits, k / STEP, _kin(k / STEP, scale)))
            alphas = [next(fitting, NARROWEST[0]), *alphas]
        kin = {round(a * STEP) / STEP: _kin(a, scale) for a in alphas if round(a * STEP) >= 4}
        return [(a, w) for a, w in kin.items() if _within(limits, a, w)]

    def _trial(self, trial: optuna.Trial, limits: Limits) -> tuple[float, float, float, float]:
        most, widest = self._widths
        alpha = trial.suggest_int("alpha", round(NARROWEST[0] * STEP), round(most * STEP)) / STEP
        width = trial.suggest_int("width", min(NARROWEST[1], widest), widest, step=8)
        for other in complete(trial.study):
            if other.params == trial.params and "candidate" in other.user_attrs:
                trial.set_user_attr("repeats", other.number)
                return tuple(other.values)
        if not _within(limits, alpha, width):
            raise optuna.TrialPruned  # known without any training
        begun = time.monotonic()
        folder = self._folder / f"trial-{_number(trial):04d}"
        folder.mkdir(exist_ok=True)
        start = folder / "start.keras"
        if not start.exists():
            lightness, _ = whole(self._data, self._data.rows["train"][:RANKED])
            save_network(slim(self._network, alpha, width, lightness), start)
        trained = train(self._data_path, folder / TRIAL_RUN, self._recipe(alpha, start), say=lambda _: None)
        found = self.measured(trained)
        trial.set_user_attr("candidate", asdict(found))
        trial.set_user_attr("folder", folder.name)
        self._say(f"trial {trial.number}: {describe(found)}, {(time.monotonic() - begun) / 60:.1f} minutes")
        return found.psnr, found.macs, found.size, found.latency

    def _recipe(self, alpha: float, start: Path) -> Recipe:
        t = self._tuning
        return Recipe(
            alpha=alpha,
            start=str(start),
            teachers=(str(self._model),),
            epochs=t.epochs,
            full_size_epochs=0,
            size=t.size,
            batch=t.batch,
            learning_rate=t.learning_rate,
            trunk_rate=0.5,  # what slimming took from the MobileNet must grow again
            warmup_steps=50,
            seed=t.seed,
        )

    def finish(self, folder: Path, alpha: float) -> Path:
        """Trains the choice further: `folder` is its trial's. Returns the .keras file."""
        trained = folder / TRIAL_RUN / "model.keras"
        if not self._tuning.finish_epochs:
            return trained
        recipe = replace(self._recipe(alpha, trained), epochs=self._tuning.finish_epochs, size=Recipe.size)
        return train(self._data_path, self._folder / "chosen" / folder.name, recipe, say=self._say)

    def publish(self, result: Tuned, trained: Path, limits: Limits) -> None:
        """Puts the choice, the facts about it and the picture into the study's folder."""
        folder = self._folder
        partial = folder / ".partial-model.keras"
        shutil.copyfile(trained, partial)
        partial.replace(folder / "model.keras")
        facts = read_json(trained.with_suffix(".json"))
        facts["tuning"] = {"model": self._model.name} | asdict(self._tuning) | {"limits": asdict(limits)}
        write_json(folder / "model.json", facts)
        write_json(folder / "pareto.json", asdict(result))
        plot = pareto_svg(result.wide, result.trials, result.pareto, result.finished)
        files.write_bytes(folder / "pareto.svg", plot.encode(), force=True)


def tune(
    model: Path,
    data_path: Path,
    folder: Path,
    tuning: Tuning,
    limits: Limits,
    *,
    calibration: Path,
    storage: str | None = None,
    say: Say = lambda _: None,
) -> Tuned:
    """Searches, chooses, and trains the choice further; given again, it goes on.

    Args:
        model: a trained .keras file, the widest that may come out.
        data_path: a folder that `edgecolor dataset` made.
        folder: of the study; made if missing.
        tuning: how the search goes.
        limits: what the choice may cost. Without any, half the multiply-adds of `model`.
        calibration: folder of the calibration pictures.
        storage: of Optuna, for several machines; by default a file in `folder`, for several processes.
        say: takes a line of progress.

    Raises:
        UsageError: the folder belongs to another search; not a fusion network.
        DataError: unusable data or calibration set.
        GateError: no trial keeps within the limits, or one does not survive int8.
    """
    tuner = Tuner(model, data_path, folder, tuning, calibration, say)
    say(f"the network itself: {describe(tuner.wide)}")
    if not limits.costs and limits.psnr is None:
        limits = Limits(macs=tuner.wide.macs / 2)
    study = open_study(folder, storage, tuning.seed)
    tuner.search(study, limits)
    with alone_in(folder):  # who comes second finds the first one's training done, or a better choice
        return _conclude(tuner, study, folder, limits, say)


def _conclude(tuner: Tuner, study: optuna.Study, folder: Path, limits: Limits, say: Say) -> Tuned:
    found = {t.number: Candidate(**t.user_attrs["candidate"]) for t in complete(study) if _is_first(t)}
    if not found:
        raise GateError("No trial was finished in this time. Give it again with more --minutes.")
    number = choose(found, limits)
    say(f"chosen: trial {number}")
    trained = tuner.finish(folder / study.trials[number].user_attrs["folder"], found[number].alpha)
    result = Tuned(
        path=str(folder / "model.keras"),
        wide=tuner.wide,
        trials=tuple(found.values()),
        pareto=tuple(pareto(list(found.values()))),
        chosen=found[number],
        finished=tuner.measured(trained),
        minutes=round((sum(_seconds(t) for t in complete(study)) + _trained_seconds(trained)) / 60, 1),
    )
    tuner.publish(result, trained, limits)
    return result


def open_study(folder: Path, storage: str | None, seed: int) -> optuna.Study:
    """The study of a folder; its recipe's hash is its name, so that a shared storage keeps studies apart."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Heartbeats are called experimental since its version 2.8.
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    name = hashlib.sha256((folder / RECIPE).read_bytes()).hexdigest()[:16]
    with alone_in(folder, "opening"):  # of two that find no tables, one would fail to make them
        backend = optuna.storages.RDBStorage(
            storage or f"sqlite:///{folder / 'study.db'}",
            heartbeat_interval=HEARTBEAT,
            grace_period=SILENCE,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
        return optuna.create_study(
            study_name=f"edgecolor-{name}",
            storage=backend,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
            directions=["maximize", "minimize", "minimize", "minimize"],
            load_if_exists=True,
        )


def complete(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that were measured."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def _seconds(trial: optuna.trial.FrozenTrial) -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def _trained_seconds(model: Path) -> float:
    """Of the choice's further training; none where it is the trial's own network."""
    if model.parent.name == TRIAL_RUN:
        return 0.0
    return float(sum(e["seconds"] for e in read_json(model.with_name(STATE))["epochs"]))


def _number(trial: optuna.Trial) -> int:
    """The trial's number; of one that a kill ended and that is done again, the first one's."""
    frozen = trial.study.get_trials(deepcopy=False)[trial.number]
    first = optuna.storages.RetryHeartbeatStaleTrialCallback.retried_trial_number(frozen)
    return trial.number if first is None else first


def _is_first(trial: optuna.trial.FrozenTrial) -> bool:
    return "repeats" not in trial.user_attrs


def _within(limits: Limits, alpha: float, width: int) -> bool:
    return limits.macs is None or macs(alpha, width) / 1e6 <= limits.macs


def _kin(alpha: float, scale: float) -> int:
    """The decoder's width that goes with an alpha, in the proportions of the network at hand."""
    return max(NARROWEST[1], 8 * round(scale * decoder_width(alpha) / 8))
