"""Options of metrics are checked when a suite is planned: their ranges, and the samples that they need."""

import pytest
from ganbench import GanbenchError

from tests.support.tiny_suite import plan_small


@pytest.mark.parametrize(
    ("dataset", "metric", "message"),
    [
        ("ring", {"name": "modes", "sigmas": -1.0}, "option 'sigmas' = -1.0: it should be greater than 0"),
        ("ring", {"name": "mmd", "bandwidth": 0}, "option 'bandwidth' = 0.0: it should be greater than 0 or"),
        ("ring", {"name": "mmd", "limit": 1}, "option 'limit' = 1: it should be greater than or equal to 2"),
        ("ring", {"name": "w1", "limit": 0}, "option 'limit' = 0"),
        ("ring", {"name": "sliced-w1", "projections": 0}, "option 'projections' = 0"),
        ("digits", {"name": "inception-score", "splits": 0}, "option 'splits' = 0"),
        ("digits", {"name": "inception-score", "splits": 51}, "needs 51 samples of each model, and [measurement]"),
        ("digits", {"name": "kid", "subset_size": 1}, "option 'subset_size' = 1"),
        ("digits", {"name": "kid", "subsets": 0}, "option 'subsets' = 0"),
        ("digits", {"name": "precision-recall", "neighbours": 0}, "option 'neighbours' = 0"),
        ("digits", {"name": "precision-recall", "neighbours": 50}, "needs 51 samples of each model, and [measurement]"),
    ],
)
def test_a_metric_option_without_a_meaning_is_refused(plugins, dataset, metric, message):
    with pytest.raises(GanbenchError) as refused:
        plan_small(plugins, dataset=[{"name": dataset, "metrics": [metric]}], success=None)
    assert str(refused.value).startswith("s.toml: dataset[0]")
    assert message in str(refused.value)


def test_a_metric_that_needs_as_many_samples_as_are_scored_is_planned(plugins):
    metrics = [{"name": "precision-recall", "neighbours": 49}, {"name": "inception-score", "splits": 50}]
    assert plan_small(plugins, dataset=[{"name": "digits", "metrics": metrics}], success=None).trials
