"""Evaluate a model file and make the record of the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edgecolor.evaluation.evaluator import evaluate_predictor
from edgecolor.evaluation.predictor import open_predictor
from edgecolor.evaluation.recognition import Classifier
from edgecolor.evaluation.scores import ColoredPhotograph
from edgecolor.records.identity import identify
from edgecolor.records.thumbnails import choose_thumbnails, make_thumbnail
from edgecolor.records.types import EvaluationRecord, Thumbnail, created_by


def evaluate(
    model: str | Path,
    photographs: str | Path,
    *,
    reference: str | Path | None = None,
    classifier: str | Path | None = None,
    pictures: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_picture: Callable[[ColoredPhotograph], None] | None = None,
) -> EvaluationRecord:
    """Measure how well a model colors photographs whose color is known.

    Args:
        model: a .keras, an exported .tflite, or the name of a shipped model.
        photographs: a folder of color photographs that the model was not trained on.
        reference: the network that `model` was made from; adds how far `model` is from it.
        classifier: the .tflite of an ImageNet classifier; adds what the colors let it recognize.
        pictures: keep thumbnails of up to 6 photographs whose names match this pattern; None: keep none.
        on_progress: called with the number of photographs done and of all photographs.
        on_picture: called with every photograph and the model's picture of it, in order.

    Raises:
        ModelFileError: there is no such file, or it is broken or foreign.
        DataError: there are no photographs, none can be read, or none has color.
        UsageError: the pattern matches no photograph.
        MissingError: `model` or `reference` is a .keras, and TensorFlow is not installed.
    """
    started = datetime.now(timezone.utc).replace(microsecond=0)
    folder = Path(photographs)
    predictor = open_predictor(str(model))
    reference_predictor = open_predictor(str(reference)) if reference else None
    opened_classifier = Classifier.open(Path(classifier)) if classifier else None
    identity = identify(str(model))
    names = choose_thumbnails(folder, pictures) if pictures else ()
    thumbnails: list[Thumbnail] = []

    def keep_and_show(colored: ColoredPhotograph) -> None:
        if colored.photograph.name in names:
            thumbnails.append(make_thumbnail(colored))
        if on_picture:
            on_picture(colored)

    evaluation = evaluate_predictor(
        predictor,
        folder,
        reference=reference_predictor,
        classifier=opened_classifier,
        on_progress=on_progress,
        on_picture=keep_and_show,
    )
    return EvaluationRecord(
        created_by=created_by(),
        started=started,
        file=identity,
        evaluation=evaluation,
        pictures=tuple(thumbnails),
    )
