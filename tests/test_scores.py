"""Any metric with a record is scored between its anchors; `test_criterion` has the study's own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.metrics.records import METRICS, Metric
from helpers.report import scores

LIKENESS = Metric("likeness ↑", +1, dimension="fidelity", zero="means", one="real")


def judged(values, metric="likeness"):
    """Cells of a made-up metric, one seed, from {(model, level): value}."""
    about = {"dataset": "x", "seed": 0, "scale": "compact", "metric": metric}
    rows = [
        about | {"model": model, "arm": arm, "sigma": 0.0, "value": value}
        for (model, arm), value in values.items()
    ]
    return scores.block("x", pd.DataFrame(rows), classes=4)


ENDS = {("means", "none"): 4.0, ("real", "none"): 16.0}


def test_a_made_up_metric_is_scored_by_its_record_alone():
    some = judged(ENDS | {("vae", "sgd"): 10.0, ("gan", "sgd"): 3.0, ("mine", "sgd"): 20.0})
    assert some.cells == [("vae", "sgd"), ("gan", "sgd"), ("mine", "sgd")]
    assert scores.scores(some, "likeness", LIKENESS)[:, 0].tolist() == [0.5, 0.0, 1.0]


def test_a_score_is_linear_in_the_power_of_its_record():
    some = judged(ENDS | {("vae", "sgd"): 9.0})
    rooted = replace(LIKENESS, power=0.5)
    assert scores.scores(some, "likeness", rooted).item() == pytest.approx(0.5)


def test_anchors_in_the_wrong_order_or_missing_give_no_score():
    some = judged(ENDS | {("vae", "sgd"): 9.0})
    assert np.isnan(scores.scores(some, "likeness", replace(LIKENESS, better=-1))).all()
    assert np.isnan(scores.scores(some, "likeness", replace(LIKENESS, one="copies"))).all()


@pytest.mark.parametrize(
    "record", [METRICS["noise_to_signal"], METRICS["lpips"], replace(LIKENESS, better=0)]
)
def test_a_metric_without_anchors_or_direction_has_no_score(record):
    with pytest.raises(ValueError, match="'likeness' has no score; its record needs a zero"):
        scores.scores(judged(ENDS | {("vae", "sgd"): 9.0}), "likeness", record)
