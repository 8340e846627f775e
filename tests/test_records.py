"""Metrics have a record each, which is all that is known of them."""

import subprocess
import sys

import pandas as pd
import pytest

from helpers.metrics import records
from helpers.metrics.evaluation import MEASURES
from helpers.metrics.records import DIMENSIONS, METRICS
from helpers.models.families import REFERENCES


@pytest.mark.parametrize("dataset", ["mnist", "octmnist", "organamnist"])
def test_every_committed_metric_has_a_record(root, dataset):
    committed = set(pd.read_csv(root / "data" / "results" / f"{dataset}.csv")["metric"])
    assert committed <= set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_a_record_is_whole(name):
    metric = METRICS[name]
    assert metric.measure in MEASURES
    assert metric.dimension in (*DIMENSIONS, "")
    assert {1: "↑", -1: "↓"}.get(metric.better, "") == "".join(set(metric.title) & {"↑", "↓"})
    assert not metric.authors or METRICS[metric.authors].better in (metric.better, -1)
    if metric.zero is None:
        assert metric.one is None
        return
    assert metric.better and metric.dimension
    for anchor in (metric.zero, metric.one):
        assert isinstance(anchor, float) or anchor in {*REFERENCES, "chance", "ceiling"}


def test_a_counterpart_is_the_authors_own_form():
    counterparts = {metric.authors for metric in METRICS.values() if metric.authors}
    assert all("_paper" in name and not METRICS[name].authors for name in counterparts)
    assert counterparts == {name for name in METRICS if "_paper" in name}


def test_titles_tell_metrics_apart():
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)


def test_a_name_without_a_record_is_refused_with_near_ones():
    assert records.record("fid") is METRICS["fid"]
    with pytest.raises(ValueError, match=r"metric 'accuracy_reel' has no record; .*accuracy_real"):
        records.record("accuracy_reel")


def test_records_need_no_torch():
    code = "import sys, helpers.metrics.records; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_metric_is_of_a_measure():
    assert {metric.measure for metric in METRICS.values()} == set(MEASURES) - {"samples"}


def test_a_cell_s_metrics_are_of_the_measures_that_say_so(committed):
    """The other way round: what the study has collected, each measure has a record for."""
    told = set(committed["mnist"].frame["metric"])
    assert told <= set(METRICS)
    for name in set(MEASURES) - {"samples"}:
        assert {n for n, metric in METRICS.items() if metric.measure == name} & told
