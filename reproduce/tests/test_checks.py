"""The checker catches what it is there to catch."""

import math

import pytest

from reproduce import checks, rows, tables
from reproduce.rows import Row


def row(method, guarantee, value, *, network="n", norm="linf", output="3"):
    return Row("job", network, norm, method, rows.OK, guarantee, value, 1, 1.0, 1.0, 1.0, {output: value})


SOUND = [
    row("sampling", rows.ATTAINED, 1.9),
    row("pattern", rows.PATTERN, 2.0),
    row("exact", rows.EXACT, 2.0),
    row("geolip", rows.CERTIFIED, 2.1),
    row("natural form", rows.CERTIFIED, 2.1),
    row("dual, DSDP", rows.NUMERICAL, 2.1),
]


def test_sound_rows_pass():
    assert checks.all_of(SOUND) == []


@pytest.mark.parametrize(
    ("method", "guarantee"), [("sampling", rows.ATTAINED), ("pattern", rows.PATTERN), ("exact", rows.EXACT)]
)
def test_an_upper_bound_below_any_lower_bound_is_caught(method, guarantee):
    lower = math.nextafter(2.1, 3)
    complaints = checks.violations([*SOUND, row(method, guarantee, lower)])
    assert [c.split(": ")[1].split(" says")[0] for c in complaints] == ["geolip", "natural form"]
    assert all(f"but {method} has {lower!r}" in c for c in complaints)


def test_not_a_number_is_no_upper_bound():
    assert checks.violations([row("pattern", rows.PATTERN, 2.0), row("geolip", rows.CERTIFIED, math.nan)])


@pytest.mark.parametrize("other", [{"network": "m"}, {"norm": "l2"}, {"output": "4"}])
def test_other_questions_do_not_count(other):
    assert checks.violations([*SOUND, row("sampling", rows.ATTAINED, 5.0, **other)]) == []


def test_a_peer_below_a_lower_bound_says_so_and_is_no_failure():
    table = [*SOUND, row("ECLipsE-Fast, package", rows.NUMERICAL, 1.5)]
    checks.mark_peers(table)
    assert table[-1].status == rows.BELOW
    assert "1.5 < 2 of pattern" in table[-1].note
    assert [r.status for r in table[:-1]] == [rows.OK] * len(SOUND)
    assert checks.violations(table) == []


def test_natural_and_dual_form_must_agree():
    assert checks.disagreements([row("geolip", rows.CERTIFIED, 2.1), row("natural form", rows.CERTIFIED, 2.1001)])
    assert not checks.disagreements([row("geolip", rows.CERTIFIED, 2.1), row("natural form", rows.CERTIFIED, 2.100001)])


def test_a_closed_form_may_be_below_the_natural_form_and_never_above():
    own = [row("geolip", rows.CERTIFIED, 2.0), row("natural form", rows.CERTIFIED, 2.1)]
    assert checks.disagreements(own)
    own[0].details["closed_form"] = "1 3"
    assert not checks.disagreements(own)
    own[1] = row("natural form", rows.CERTIFIED, 1.9)
    assert checks.disagreements(own)


def test_our_own_rows_must_be_there():
    failed = Row("job", "n", "linf", "geolip", rows.FAILED, note="it broke")
    assert checks.failures([failed]) == ["n, linf, geolip: failed it broke"]
    assert checks.failures([Row("job", "n", "linf", "dual, CSDP", rows.FAILED)]) == []


def test_peers_time_for_ten_outputs_is_the_smaller_one_scaled():
    one = Row("job", "n", "linf", "natural, DSDP", rows.OK, rows.NUMERICAL, 2.0, 2, 6.0, 8.0)
    assert one.ten == 30.0
    assert math.isnan(Row("job", "n", "linf", "natural, DSDP", rows.TIMEOUT, process_seconds=30.0).ten)


def test_a_peer_that_finished_nothing_bounds_the_ratio_from_below():
    ours = Row("a", "784-256-10 normal", "linf", "geolip", rows.OK, rows.CERTIFIED, 2.1, 10, 0.5, 0.5)
    peer = Row("b", "784-256-10 normal", "linf", "natural, DSDP", rows.TIMEOUT, process_seconds=30.0)
    (line,) = tables.speed([ours, peer]).lines
    assert line[-2:] == ["> 600", "-"]
