"""Measurements are put together, and no name may stand for two things."""

import pytest

from models.manifest import Metric
from training.evaluation.metrics import Measurements, Table

METRIC = Metric(value=1.0, unit="share", meaning="")
TABLE = Table("", ("row",), ((1,),))


def test_parts_are_one_whole_in_their_order() -> None:
    whole = Measurements.merged([Measurements({"b": METRIC}), Measurements({"a": METRIC}, {"rows": TABLE})])
    assert list(whole.metrics) == ["b", "a"]
    assert whole.tables == {"rows": TABLE}


@pytest.mark.parametrize("part", [Measurements({"a": METRIC}), Measurements(tables={"a": TABLE})])
def test_the_same_name_twice_is_a_mistake(part: Measurements) -> None:
    with pytest.raises(ValueError, match="found twice: a"):
        Measurements.merged([part, Measurements({"b": METRIC}), part])
