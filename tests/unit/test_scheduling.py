"""When scheduled work is due, at any time, in any zone, after any run, whatever the clock does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from treeledger.quiet import QuietHours
from treeledger.scheduling import Activity, Schedule, ScheduleKind, Timing, due, offset_of
from treeledger.wall_clock import LOCAL, local_now

ID = UUID("6f1f7c1e-0b0e-4c55-9a55-0b8f2d1d7a11")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [BERLIN, *map(ZoneInfo, ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"))]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHTLY, DAILY = Timing("0 2 * * *"), Timing(interval=86400.0)

moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from(ZONES)
walls = st.times().map(lambda wall: wall.replace(second=0, microsecond=0))
timings = st.one_of(
    st.builds(Timing, st.sampled_from(["0 2 * * *", "30 2 * * *", "*/10 * * * *", "0 0 1 * *"])),
    st.builds(Timing, interval=st.floats(1, 1e7)),
)
spans = st.builds(QuietHours, walls, walls).filter(lambda span: span.begin != span.end)


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def utc(text: str) -> datetime:
    return at(text).astimezone(UTC)


def ran(text: str, kind: ScheduleKind = ScheduleKind.FULL) -> Schedule:
    end = at(text).astimezone(UTC)
    return Schedule(ID, kind, end - timedelta(minutes=10), end)


def never(kind: ScheduleKind = ScheduleKind.SCRUB, due_at: datetime | None = None) -> Schedule:
    return Schedule(ID, kind, due_at=due_at)


@pytest.mark.parametrize(
    ("timing", "last", "now", "wanted"),
    [
        (DAILY, "2026-11-20 12:00", "2026-11-21 10:00", "2026-11-21 12:00"),  # two hours before it
        (DAILY, "2026-11-19 08:00", "2026-11-21 10:00", "2026-11-20 08:00"),  # missed: at once
        (NIGHTLY, "2026-11-20 02:10", "2026-11-20 10:00", "2026-11-21 02:00"),
        (NIGHTLY, "2026-11-17 02:10", "2026-11-20 10:00", "2026-11-18 02:00"),  # three missed: one is due
        (NIGHTLY, "2026-11-20 02:00", "2026-11-20 02:00", "2026-11-21 02:00"),
        (NIGHTLY, "2026-10-24 02:10", "2026-10-24 12:00", "2026-10-25 02:00"),  # clocks are put back
        # the clocks are put forward, so that there is no 02:30
        (Timing("30 2 * * *"), "2026-03-28 03:00", "2026-03-28 12:00", "2026-03-29 03:00"),
        (replace(NIGHTLY, offset=600.0), "2026-11-20 02:30", "2026-11-20 10:00", "2026-11-21 02:10"),
        (replace(DAILY, schedule="0 2 * * *"), "2026-11-20 12:00", "2026-11-20 13:00", "2026-11-21 12:00"),
    ],
)
def test_it_counts_from_the_last_run(timing: Timing, last: str, now: str, wanted: str) -> None:
    assert due(timing, ran(last), at(now)) == utc(wanted)


def test_neither_expression_nor_interval_is_never() -> None:
    assert due(Timing(), ran("2026-11-20 02:00"), at("2026-11-21 02:00")) is None
    assert due(Timing(), never(), at("2026-11-21 02:00")) is None


def test_a_tree_that_was_never_scanned_is_due_at_once_where_an_interval_says_when() -> None:
    now = at("2026-11-20 10:00")
    assert due(DAILY, never(ScheduleKind.FULL), now) == now
    assert due(NIGHTLY, never(ScheduleKind.FULL), now) == at("2026-11-21 02:00")
    assert due(DAILY, never(), now) == now + DAY


@given(timings, moments, st.lists(st.timedeltas(timedelta(), 40 * DAY), max_size=5), zones)
def test_what_never_ran_is_due_when_it_was_said_first(
    timing: Timing, now: datetime, steps: list[timedelta], zone: ZoneInfo
) -> None:
    first = due(timing, never(), now.astimezone(zone))
    assert first is not None
    assert first > now
    noted = never(due_at=first)
    for step in steps:
        now += step
        assert due(timing, noted, now.astimezone(zone)) == first


@given(timings, moments, st.timedeltas(timedelta(), 400 * DAY), zones)
def test_whatever_was_missed_is_due_once(
    timing: Timing, last: datetime, away: timedelta, zone: ZoneInfo
) -> None:
    now = last + away
    before = due(timing, Schedule(ID, ScheduleKind.FULL, last, last), now.astimezone(zone))
    assert before is not None
    assert before > last
    if before <= now:  # it runs now, and the next time is to come
        after = due(timing, Schedule(ID, ScheduleKind.FULL, now, now), now.astimezone(zone))
        assert after is not None
        assert after > now


@given(st.integers(0, 23), st.integers(0, 59), moments, zones)
def test_each_day_has_one_nightly_run(hour: int, minute: int, now: datetime, zone: ZoneInfo) -> None:
    timing = Timing(f"{minute} {hour} * * *")
    days = []
    for _ in range(400):
        following = due(timing, Schedule(ID, ScheduleKind.FULL, now, now), now.astimezone(zone))
        assert following is not None
        assert following > now
        now = following
        days.append(now.astimezone(zone).date())
    assert days == [days[0] + n * DAY for n in range(400)]


@given(timings, moments, st.timedeltas(-400 * DAY, 400 * DAY), zones)
def test_a_clock_that_was_put_back_moves_the_next_run_and_no_more(
    timing: Timing, now: datetime, jump: timedelta, zone: ZoneInfo
) -> None:
    told = now + jump  # by a clock that was wrong
    noted = Schedule(ID, ScheduleKind.FULL, told, told).by(now)
    assert noted.ended_at is not None
    assert noted.ended_at <= now
    following = due(timing, noted, now.astimezone(zone))
    fresh = due(timing, Schedule(ID, ScheduleKind.FULL, now, now), now.astimezone(zone))
    assert following is not None
    assert fresh is not None
    assert following <= fresh


@given(timings, spans, moments, st.timedeltas(timedelta(), 40 * DAY), zones)
def test_nothing_begins_within_quiet_hours(
    timing: Timing, quiet: QuietHours, last: datetime, away: timedelta, zone: ZoneInfo
) -> None:
    now = last + away
    noted = Schedule(ID, ScheduleKind.FULL, last, last)
    planned = due(timing, noted, now.astimezone(zone))
    moved = due(replace(timing, quiet=quiet), noted, now.astimezone(zone))
    assert planned is not None
    assert moved is not None
    assert moved >= planned
    assert not quiet.holds(max(moved, now).astimezone(zone))
    assert moved - max(planned, now) <= DAY + HOUR


@given(spans, moments, zones)
def test_quiet_hours_end_where_the_wall_clock_says(quiet: QuietHours, now: datetime, zone: ZoneInfo) -> None:
    local = now.astimezone(zone)
    begins = quiet.begins_after(local)
    assert begins > now
    assert quiet.holds(begins) or begins.utcoffset() != local.utcoffset()
    assume(quiet.holds(local))
    over = quiet.over(local)
    assert not quiet.holds(over)
    step = (over - now) / 7
    if over.utcoffset() == local.utcoffset():
        assert all(quiet.holds((now + n * step).astimezone(zone)) for n in range(7))


def test_quiet_hours_may_go_over_midnight() -> None:
    night = QuietHours(time(22), time(6))
    assert [night.holds(at(f"2026-11-20 {wall}")) for wall in ("21:59", "22:00", "05:59", "06:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert due(replace(NIGHTLY, quiet=night), ran("2026-11-20 07:00"), at("2026-11-20 12:00")) == at(
        "2026-11-21 06:00"
    )


@given(st.uuids(), st.sampled_from(ScheduleKind), st.floats(0, 1e6))
def test_a_repository_is_always_late_by_the_same(id: UUID, kind: ScheduleKind, jitter: float) -> None:
    assert 0 <= offset_of(id, kind, jitter) <= jitter
    assert offset_of(id, kind, jitter) == offset_of(id, kind, jitter)


def test_repositories_are_late_by_different_times() -> None:
    offsets = [offset_of(uuid4(), ScheduleKind.FULL, 600.0) for _ in range(300)]
    assert min(offsets) < 60 < 540 < max(offsets)


CALM = Activity(changes=0, files=50_000, load=0.1)


@given(timings, moments, st.timedeltas(timedelta(), 40 * DAY), st.integers(0, 10**6), zones)
def test_much_change_brings_a_scan_forward_to_a_quarter_of_the_time(
    timing: Timing, last: datetime, away: timedelta, changes: int, zone: ZoneInfo
) -> None:
    now = (last + away).astimezone(zone)
    noted = Schedule(ID, ScheduleKind.FULL, last, last)
    plain = due(timing, noted, now)
    smart = due(timing, noted, now, CALM._replace(changes=changes))
    assert plain is not None
    assert smart is not None
    assert (plain - last) * 0.2499 <= smart - last <= plain - last
    assert changes or smart == plain


def test_a_tenth_of_the_files_halves_the_time() -> None:
    noted, now = ran("2026-11-20 12:00"), at("2026-11-20 13:00")
    assert due(DAILY, noted, now, CALM._replace(changes=5000)) == at("2026-11-21 00:00")


@pytest.mark.parametrize(
    ("timing", "latest"),
    [(DAILY, "2026-11-22 12:00"), (NIGHTLY, "2026-11-22 02:00")],
    ids=["interval", "cron"],
)
def test_a_busy_machine_is_waited_for_but_not_for_ever(timing: Timing, latest: str) -> None:
    noted = ran("2026-11-20 12:00")
    busy = CALM._replace(load=3.0)
    now = at("2026-11-21 12:00")
    while (wanted := due(timing, noted, now, busy)) is not None and wanted > now:
        assert wanted - now <= timedelta(minutes=5)
        now = wanted.astimezone(BERLIN)
    assert now == at(latest)
    early = at("2026-11-21 13:00")
    calm = due(timing, noted, early, CALM)
    assert calm is not None
    assert calm <= early


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_the_local_zone_knows_when_clocks_are_changed(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time as system

    monkeypatch.setenv("TZ", zone)
    system.tzset()
    try:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        while moment.year == 2026:
            here, there = moment.astimezone(LOCAL), moment.astimezone(ZoneInfo(zone))
            assert (here.replace(tzinfo=None), here.fold) == (there.replace(tzinfo=None), there.fold)
            assert here.astimezone(UTC) == moment
            moment += timedelta(minutes=30)
        assert abs(local_now() - datetime.now(UTC)) < timedelta(seconds=5)
    finally:
        monkeypatch.undo()
        system.tzset()


@given(moments)
def test_cron_is_the_same_in_the_local_zone(now: datetime) -> None:
    """The zone of the machine, whichever that is, as the library of zones has it."""
    noted = Schedule(ID, ScheduleKind.FULL, now, now)
    following = due(NIGHTLY, noted, now.astimezone(LOCAL))
    assert following is not None
    assert following > now
    assert following.astimezone(LOCAL).hour in (2, 3)
