# SPDX-License-Identifier: Apache-2.0
# Tests: tests/unit/test_aggregates.py, tests/property/test_aggregates_property.py
"""The aggregates by name: from a trace and its intervals to a value, a status and a time per interval.

Law of this file: a table, and no computing.
Source: OPC 10000-13, 5.4.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from historian.aggregates import of_time, of_values
from historian.aggregates.span import Span
from historian.aggregates.spans import Intervals
from historian.aggregates.trace import Trace, Values


class Form(Enum):
    """Data type of a result."""

    DOUBLE = auto()
    COUNT = auto()
    SAME = auto()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate.

    Attributes:
        name: as in OPC 10000-13.
        of_quality: looks at statuses only, so that a text has it too.
    """

    name: str
    function: Callable[[Span], Values]
    form: Form = Form.SAME
    of_quality: bool = False


AGGREGATES: Final[dict[str, Aggregate]] = {
    a.name: a
    for a in (
        Aggregate("Interpolative", of_time.interpolative),
        Aggregate("Average", of_values.average, Form.DOUBLE),
        Aggregate("TimeAverage", of_time.time_average, Form.DOUBLE),
        Aggregate("TimeAverage2", of_time.time_average_2, Form.DOUBLE),
        Aggregate("Total", of_time.total, Form.DOUBLE),
        Aggregate("Total2", of_time.total_2, Form.DOUBLE),
        Aggregate("Minimum", of_values.minimum),
        Aggregate("Maximum", of_values.maximum),
        Aggregate("MinimumActualTime", of_values.minimum_actual_time),
        Aggregate("MaximumActualTime", of_values.maximum_actual_time),
        Aggregate("Range", of_values.value_range),
        Aggregate("Minimum2", of_time.minimum_2),
        Aggregate("Maximum2", of_time.maximum_2),
        Aggregate("Count", of_values.count, Form.COUNT, of_quality=True),
        Aggregate("Start", of_values.start),
        Aggregate("End", of_values.end),
        Aggregate("Delta", of_values.delta),
        Aggregate("StartBound", of_time.start_bound),
        Aggregate("DurationGood", of_time.duration_good, Form.DOUBLE, of_quality=True),
        Aggregate("DurationBad", of_time.duration_bad, Form.DOUBLE, of_quality=True),
        Aggregate("PercentGood", of_time.percent_good, Form.DOUBLE, of_quality=True),
        Aggregate("PercentBad", of_time.percent_bad, Form.DOUBLE, of_quality=True),
        Aggregate("StandardDeviationSample", of_values.standard_deviation_sample, Form.DOUBLE),
        Aggregate("StandardDeviationPopulation", of_values.standard_deviation_population, Form.DOUBLE),
    )
}
"""Name -> aggregate: what the server publishes and answers."""


def aggregate(name: str, trace: Trace, intervals: Intervals) -> Values:
    """One aggregate over intervals, in ascending order of time."""
    return AGGREGATES[name].function(Span(trace, intervals))


def in_order(values: Values, intervals: Intervals) -> Values:
    """As the client asked for them: the latest first when time flows backward."""
    if not intervals.reverse:
        return values
    return Values(values.time_ns[::-1], values.value[::-1], values.status[::-1])
