"""Color for grayscale cameras and photographs: the workstation side.

Each name loads its module on first use, so that `import edgecolor` imports neither numpy nor TensorFlow. The
names of the device side are in `edgecolor_runtime`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecolor.batch.folder_run import ColoringSummary, color_folder
    from edgecolor.batch.plan import PictureJob, PictureResult
    from edgecolor.benchmarking.measure import bench
    from edgecolor.checking.model_check import ModelCheck, check
    from edgecolor.compression.candidates import CandidateLimits
    from edgecolor.compression.pruning import PruneOptions, PruneResult, prune
    from edgecolor.compression.width_search import TuneOptions, TuneResult, tune
    from edgecolor.data.dataset import DatasetSummary, prepare_dataset
    from edgecolor.evaluation.scores import Evaluation
    from edgecolor.exporting.pipeline import ExportReport, export
    from edgecolor.records.model_evaluation import evaluate
    from edgecolor.records.types import BenchRecord, EvaluationRecord, Verdict
    from edgecolor.report.comparison import compare
    from edgecolor.report.contents import Report
    from edgecolor.training.recipe import Augmentation, LossWeights, Recipe
    from edgecolor.training.trainer import train

__version__ = "0.1.0"

_HOME = {
    "batch.folder_run": ("ColoringSummary", "color_folder"),
    "batch.plan": ("PictureJob", "PictureResult"),
    "benchmarking.measure": ("bench",),
    "checking.model_check": ("ModelCheck", "check"),
    "compression.candidates": ("CandidateLimits",),
    "compression.pruning": ("PruneOptions", "PruneResult", "prune"),
    "compression.width_search": ("TuneOptions", "TuneResult", "tune"),
    "data.dataset": ("DatasetSummary", "prepare_dataset"),
    "evaluation.scores": ("Evaluation",),
    "exporting.pipeline": ("ExportReport", "export"),
    "records.model_evaluation": ("evaluate",),
    "records.types": ("BenchRecord", "EvaluationRecord", "Verdict"),
    "report.comparison": ("compare",),
    "report.contents": ("Report",),
    "training.recipe": ("Augmentation", "LossWeights", "Recipe"),
    "training.trainer": ("train",),
}
"""Module -> the public names that it defines."""

__all__ = [
    "Augmentation",
    "BenchRecord",
    "CandidateLimits",
    "ColoringSummary",
    "DatasetSummary",
    "Evaluation",
    "EvaluationRecord",
    "ExportReport",
    "LossWeights",
    "ModelCheck",
    "PictureJob",
    "PictureResult",
    "PruneOptions",
    "PruneResult",
    "Recipe",
    "Report",
    "TuneOptions",
    "TuneResult",
    "Verdict",
    "__version__",
    "bench",
    "check",
    "color_folder",
    "compare",
    "evaluate",
    "export",
    "prepare_dataset",
    "prune",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
