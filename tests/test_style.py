"""How numbers, levels and models are written: the same on every page."""

import math

import pytest

from helpers.metrics.statistics import Interval, mean_interval
from helpers.report import style


@pytest.mark.parametrize(
    ("interval", "digits", "signed", "written"),
    [
        (Interval(1.234, 1.0, 1.468, 3), 2, False, "1.23 ± 0.23"),
        (Interval(1234.5, 1000.0, 2469.0, 3), 1, False, "1,234.5 ± 1,234.5"),
        (Interval(0.5, 0.25, 0.75, 3), 2, True, "+0.50 ± 0.25"),
        (Interval(-0.5, -0.75, -0.25, 3), 2, True, "-0.50 ± 0.25"),
        (Interval(1.0, math.nan, math.nan, 1), 3, False, "1.000"),
        (Interval(1.0, 1.0, 1.0, 3), 1, False, "1.0 ± 0.0"),
    ],
)
def test_a_mean_over_seeds_is_written_with_its_half_width(interval, digits, signed, written):
    assert style.text(interval, digits, signed=signed) == written


def test_the_written_half_width_is_that_of_the_interval():
    found = mean_interval([1.0, 2.0, 4.0])
    mean, half = map(float, style.text(found, 6).split(" ± "))
    assert (mean - half, mean + half) == pytest.approx((found.low, found.high), abs=2e-6)


def test_models_are_listed_as_families_variants_references_and_others():
    given = ["real", "vae-4x", "ddpm", "mine", "vae", "copies", "vae"]
    assert style.ordered(given) == ["vae", "ddpm", "vae-4x", "real", "copies", "mine"]
