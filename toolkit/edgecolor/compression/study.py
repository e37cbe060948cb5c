"""The Optuna study of a width search: the memory of all trials, shared by processes and machines."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna

from edgecolor.training.run_folder import RECIPE, lock_folder

HEARTBEAT_SECONDS = 10  # between signs of life of a running trial
STALE_SECONDS = 40  # without a sign of life; then another process repeats the trial
RANDOM_TRIALS = 4  # before the sampler learns from the trials


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Hide Optuna's notes, and its warning that heartbeats are experimental (since its version 2.8)."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(folder: Path, storage: str | None, seed: int) -> optuna.Study:
    """Open the study of a folder, or make it.

    Args:
        folder: holds `recipe.json`. Its hash names the study, which keeps studies in a shared storage apart.
        storage: the address of a database, in Optuna's form; None: a file in `folder`.
        seed: of the sampler.
    """
    name = hashlib.sha256((folder / RECIPE).read_bytes()).hexdigest()[:16]
    with lock_folder(folder, "opening"):  # two processes would both make the tables, and one would fail
        backend = optuna.storages.RDBStorage(
            storage or f"sqlite:///{folder / 'study.db'}",
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=STALE_SECONDS,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
        )
        return optuna.create_study(
            study_name=f"edgecolor-{name}",
            storage=backend,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS),
            directions=["maximize", "minimize", "minimize", "minimize"],
            load_if_exists=True,
        )


def complete_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that were measured."""
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def trial_seconds(trial: optuna.trial.FrozenTrial) -> float:
    """Return the time that a trial took."""
    return trial.duration.total_seconds() if trial.duration else 0.0


def first_number(trial: optuna.Trial) -> int:
    """Return the number of a trial; of one that repeats a killed trial, the number of the killed one."""
    frozen = trial.study.get_trials(deepcopy=False)[trial.number]
    first = optuna.storages.RetryHeartbeatStaleTrialCallback.retried_trial_number(frozen)
    return trial.number if first is None else first
