"""`tune`: choose the widths of a network, that is the MobileNet's multiplier (alpha) and the decoder's width.

A trial slims the trained network to the widths of a candidate, trains it briefly with the wide network as its
teacher, exports it to int8, and measures the file. Optuna remembers the trials, proposes the next ones, and
shares them among processes and machines. The chosen candidate is then trained further. A folder holds the
run:

    recipe.json               what the search does
    study.db                  the trials, unless --storage names a database
    trial-0003/               start.keras, the slimmed network; run/, its training
    chosen/                   the further training of the choice
    model.keras, model.json   the choice and its sidecar
    pareto.json, pareto.svg   the trials that no other one beats
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import optuna

from edgecolor.compression.candidates import Candidate, CandidateLimits, choose, pareto
from edgecolor.compression.pareto_plot import pareto_svg
from edgecolor.compression.slimming import ALPHA_STEPS, slim
from edgecolor.compression.study import (
    complete_trials,
    first_number,
    open_study,
    quiet_optuna,
    trial_seconds,
)
from edgecolor.compression.val_accuracy import Decibels, difference, val_psnr
from edgecolor.data.dataset import Dataset, Split, load_pairs, open_dataset
from edgecolor.exporting.pipeline import export
from edgecolor.network.fusion import decoder_width, macs, widths
from edgecolor.network.keras_file import fingerprint, load_network, save_network
from edgecolor.network.sidecar import read_sidecar, write_sidecar
from edgecolor.support.progress import PrintLine, print_nothing
from edgecolor.support.timing import ratios, spread
from edgecolor.tflite.graph import read_graph
from edgecolor.tflite.latency import invoke_times
from edgecolor.training.publish import MODEL
from edgecolor.training.recipe import Recipe
from edgecolor.training.run_folder import (
    RunIdentity,
    begin_run,
    lock_folder,
    open_run,
    read_state,
)
from edgecolor.training.trainer import train
from edgecolor_runtime.errors import DataError, GateError, UsageError
from edgecolor_runtime.models.model_file import read
from edgecolor_runtime.system import files

RANKING_PHOTOGRAPHS = 32  # train photographs on which channels are ranked
MIN_ALPHA_STEPS = 4  # narrower networks cannot color
MIN_WIDTH = 16
FIRST_SHARES = (0.5, 0.75, 0.625)  # of the network's alpha, tried first, with the decoder in proportion
TRIAL_TRUNK_RATE = 0.5  # high, because the MobileNet must regain what slimming removed
TRIAL_WARMUP_STEPS = 50
TRIAL_RUN = "run"  # folder of a trial's training


@dataclass(frozen=True)
class TuneOptions:
    """How long to search, and how each candidate trains.

    Attributes:
        trials: number of trials, including those of earlier calls.
        minutes: time after which no further trial begins; None: no limit.
        epochs: passes over the photographs in a trial.
        size: pixels per side in a trial.
        finish_epochs: further passes for the chosen network, at 128 pixels.
        batch: photographs per step.
        learning_rate: peak learning rate.
        seed: of the search and of every training.
    """

    trials: int = 8
    minutes: float | None = None
    epochs: int = 1
    size: int = 96
    finish_epochs: int = 4
    batch: int = 32
    learning_rate: float = 1e-3
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            UsageError: names the option and its range.
        """
        if self.trials < 1 or self.epochs < 1 or self.finish_epochs < 0:
            raise UsageError("--trials and --epochs must be at least 1, --finish-epochs at least 0.")
        if self.minutes is not None and self.minutes <= 0:
            raise UsageError(f"--minutes {self.minutes:g} must be above 0.")


@dataclass(frozen=True)
class TuneResult:
    """The result of a search: every candidate, the choice, and its further training.

    Attributes:
        path: the .keras file of the choice.
        wide: the network that was slimmed.
        trials: every candidate.
        pareto: the candidates that no other one beats, fastest first.
        chosen: the choice after its trial.
        finished: the choice after its further training.
        minutes: duration of all trials and of the further training.
    """

    path: str
    wide: Candidate
    trials: tuple[Candidate, ...]
    pareto: tuple[Candidate, ...]
    chosen: Candidate
    finished: Candidate
    minutes: float


def tune(
    model: str | Path,
    data: str | Path,
    output: str | Path,
    options: TuneOptions | None = None,
    *,
    calibration: str | Path,
    limits: CandidateLimits | None = None,
    storage: str | None = None,
    on_progress: PrintLine = print_nothing,
) -> TuneResult:
    """Search for widths, choose a candidate, and train it further; or resume.

    Args:
        model: a trained .keras file, the widest possible result.
        data: a folder that `prepare_dataset` wrote, with val photographs.
        output: the folder of the search. It is made if it is missing, and resumed if it holds the same
            search.
        options: how to search (default: as `TuneOptions`).
        calibration: folder of the calibration photographs.
        limits: what the choice may cost (default: half the multiply-adds of `model`).
        storage: the address of a database that several machines share, in Optuna's form (default: a file in
            `output`, which several processes can share).
        on_progress: takes a line of progress.

    Raises:
        UsageError: the folder holds another search, or `model` is not a fusion network.
        DataError: unusable data or calibration photographs.
        GateError: no trial is within the limits, or an int8 file misses a gate.
    """
    options = options or TuneOptions()
    model, data, output, calibration = Path(model), Path(data), Path(output), Path(calibration)
    prepared = open_dataset(data)
    if not len(prepared.rows[Split.VAL]):
        raise DataError(
            f"{data}: no val photographs to measure accuracy on. Run `edgecolor dataset` with --split."
        )
    network = load_network(model)
    searched = asdict(replace(options, trials=1, minutes=None, finish_epochs=0))  # the others may change
    identity = RunIdentity(searched | {"model": fingerprint(network)}, **prepared.identity)
    open_run(output, identity)
    output.mkdir(parents=True, exist_ok=True)
    meter = CandidateMeter(model, prepared, calibration)
    on_progress(f"the network itself: {meter.wide.describe()}")
    begin_run(output, identity)
    if limits is None or limits.is_empty:
        limits = CandidateLimits(macs=meter.wide.macs / 2)
    search = WidthSearch(model, network, options, limits, data=prepared, folder=output, meter=meter)
    with quiet_optuna():
        study = open_study(output, storage, options.seed)
        search.run_trials(study, on_progress)
        with lock_folder(output):  # a second process finds the training done, or a better choice
            return search.conclude(study, on_progress)


class CandidateMeter:
    """Measures networks as int8 files, in comparison with the wide network."""

    def __init__(self, model: Path, data: Dataset, calibration: Path) -> None:
        """Export and measure the wide network, `model`.

        Raises:
            DataError: unusable calibration photographs.
            GateError: the int8 file misses a gate.
        """
        self._data, self._calibration = data, calibration
        self._flatbuffer = self._export(model)
        self._psnr: Decibels = val_psnr(self._flatbuffer, data)
        times = invoke_times({"wide": self._flatbuffer})["wide"]
        self._latency = spread([1000 * t.processor for t in times]).median
        self.wide = self._measure(self._flatbuffer, self._psnr, widths(load_network(model)))

    def measure(self, model: Path) -> Candidate:
        """Return accuracy, size and latency of a .keras file. Its runs alternate with the wide network's."""
        flatbuffer = self._export(model)
        return self._measure(flatbuffer, val_psnr(flatbuffer, self._data), widths(load_network(model)))

    def _measure(self, flatbuffer: bytes, psnr: Decibels, alpha_and_width: tuple[float, int]) -> Candidate:
        times = invoke_times({"this": flatbuffer, "wide": self._flatbuffer})
        loss = difference(self._psnr, psnr)
        return Candidate(
            *alpha_and_width,
            psnr=float(psnr.mean()),
            loss=loss.mean,
            loss_error=loss.error,
            macs=read_graph(flatbuffer).macs / 1e6,
            size=len(flatbuffer) / 1000,
            latency=self._latency * ratios(times["this"], times["wide"]).median,
        )

    def _export(self, model: Path) -> bytes:
        with tempfile.TemporaryDirectory(prefix="edgecolor-") as folder:
            out = Path(folder) / "model.tflite"
            export(model, out, calibration=self._calibration, name="candidate")
            return read(out).flatbuffer


class WidthSearch:
    """The part of one process in a search."""

    def __init__(
        self,
        model: Path,
        network: keras.Model,
        options: TuneOptions,
        limits: CandidateLimits,
        *,
        data: Dataset,
        folder: Path,
        meter: CandidateMeter,
    ) -> None:
        """Take the wide network, `network` of the file `model`, and what to search for."""
        self._model, self._network, self._options, self._limits = model, network, options, limits
        self._data, self._folder, self._meter = data, folder, meter
        self._alpha, self._width = widths(network)

    def run_trials(self, study: optuna.Study, on_progress: PrintLine) -> None:
        """Run trials until there are enough, or the time is over."""
        for alpha, width in self._first_candidates():
            study.enqueue_trial({"alpha": round(alpha * ALPHA_STEPS), "width": width}, skip_if_exists=True)
        if len(complete_trials(study)) >= self._options.trials:
            return
        states = (optuna.trial.TrialState.COMPLETE,)
        minutes = self._options.minutes
        study.optimize(
            lambda trial: self._run_trial(trial, on_progress),
            timeout=None if minutes is None else 60 * minutes,
            callbacks=[optuna.study.MaxTrialsCallback(self._options.trials, states=states)],
        )

    def conclude(self, study: optuna.Study, on_progress: PrintLine) -> TuneResult:
        """Choose a candidate, train it further, and write the result.

        Raises:
            GateError: no trial is complete, or none is within the limits.
        """
        complete = complete_trials(study)
        candidates = {
            t.number: Candidate(**t.user_attrs["candidate"])
            for t in complete
            if "repeats" not in t.user_attrs
        }
        if not candidates:
            raise GateError("No trial was completed in this time. Run the command again with more --minutes.")
        number = choose(candidates, self._limits)
        on_progress(f"chosen: trial {number}")
        trial_folder = self._folder / study.trials[number].user_attrs["folder"]
        trained = self._finish(trial_folder, candidates[number].alpha, on_progress)
        seconds = sum(map(trial_seconds, complete))
        if trained.parent.name != TRIAL_RUN:
            seconds += read_state(trained.parent).seconds
        result = TuneResult(
            path=str(self._folder / MODEL),
            wide=self._meter.wide,
            trials=tuple(candidates.values()),
            pareto=tuple(pareto(list(candidates.values()))),
            chosen=candidates[number],
            finished=self._meter.measure(trained),
            minutes=round(seconds / 60, 1),
        )
        self._publish(result, trained)
        return result

    def _first_candidates(self) -> list[tuple[float, int]]:
        """Return networks in the proportions of the wide one; the largest within the limits comes first."""
        alphas = [share * self._alpha for share in FIRST_SHARES]
        if self._limits.macs:
            steps = range(round(self._alpha * ALPHA_STEPS), MIN_ALPHA_STEPS - 1, -1)
            fitting = (a for a in (s / ALPHA_STEPS for s in steps) if self._fits(a, self._width_for(a)))
            alphas = [next(fitting, MIN_ALPHA_STEPS / ALPHA_STEPS), *alphas]
        candidates = {
            round(alpha * ALPHA_STEPS) / ALPHA_STEPS: self._width_for(alpha)
            for alpha in alphas
            if round(alpha * ALPHA_STEPS) >= MIN_ALPHA_STEPS
        }
        return [(alpha, width) for alpha, width in candidates.items() if self._fits(alpha, width)]

    def _width_for(self, alpha: float) -> int:
        """Return the decoder's width that goes with an alpha, in the proportions of the wide network."""
        scale = self._width / decoder_width(self._alpha)
        return max(MIN_WIDTH, 8 * round(scale * decoder_width(alpha) / 8))

    def _fits(self, alpha: float, width: int) -> bool:
        return self._limits.macs is None or macs(alpha, width) / 1e6 <= self._limits.macs

    def _run_trial(self, trial: optuna.Trial, on_progress: PrintLine) -> tuple[float, float, float, float]:
        most = round(self._alpha * ALPHA_STEPS)
        alpha = trial.suggest_int("alpha", MIN_ALPHA_STEPS, most) / ALPHA_STEPS
        width = trial.suggest_int("width", min(MIN_WIDTH, self._width), self._width, step=8)
        for other in complete_trials(trial.study):
            if other.params == trial.params and "candidate" in other.user_attrs:
                trial.set_user_attr("repeats", other.number)
                return tuple(other.values)
        if not self._fits(alpha, width):
            raise optuna.TrialPruned  # known without any training
        begun = time.monotonic()
        folder = self._folder / f"trial-{first_number(trial):04d}"
        folder.mkdir(exist_ok=True)
        start = folder / "start.keras"
        if not start.exists():
            lightness, _ = load_pairs(self._data, self._data.rows[Split.TRAIN][:RANKING_PHOTOGRAPHS])
            save_network(slim(self._network, alpha, width, lightness), start)
        trained = train(self._data.path, folder / TRIAL_RUN, self._recipe(alpha, start))
        candidate = self._meter.measure(trained)
        trial.set_user_attr("candidate", asdict(candidate))
        trial.set_user_attr("folder", folder.name)
        minutes = (time.monotonic() - begun) / 60
        on_progress(f"trial {trial.number}: {candidate.describe()}, {minutes:.1f} minutes")
        return candidate.psnr, candidate.macs, candidate.size, candidate.latency

    def _recipe(self, alpha: float, start: Path) -> Recipe:
        options = self._options
        return Recipe(
            alpha=alpha,
            start=str(start),
            teachers=(str(self._model),),
            epochs=options.epochs,
            full_size_epochs=0,
            size=options.size,
            batch=options.batch,
            learning_rate=options.learning_rate,
            trunk_rate=TRIAL_TRUNK_RATE,
            warmup_steps=TRIAL_WARMUP_STEPS,
            seed=options.seed,
        )

    def _finish(self, trial_folder: Path, alpha: float, on_progress: PrintLine) -> Path:
        """Train the choice further. Return its .keras file."""
        trained = trial_folder / TRIAL_RUN / MODEL
        if not self._options.finish_epochs:
            return trained
        recipe = self._recipe(alpha, trained)
        recipe = replace(recipe, epochs=self._options.finish_epochs, size=Recipe.size)
        folder = self._folder / "chosen" / trial_folder.name
        return train(self._data.path, folder, recipe, on_progress=on_progress)

    def _publish(self, result: TuneResult, trained: Path) -> None:
        """Write the choice, its sidecar, and the plot into the folder of the search."""
        model = self._folder / MODEL
        files.write_bytes(model, trained.read_bytes(), force=True)
        record = {"model": self._model.name, **asdict(self._options), "limits": asdict(self._limits)}
        write_sidecar(model, replace(read_sidecar(trained), tuning=record))
        files.write_json(self._folder / "pareto.json", asdict(result), force=True)
        plot = pareto_svg(result.wide, result.trials, result.pareto, result.finished)
        files.write_text(self._folder / "pareto.svg", plot, force=True)
