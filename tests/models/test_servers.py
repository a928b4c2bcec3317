"""How a server is doing, without one."""

import time

from videotag.models.servers import Failure, Patience, Server

QUICK = Patience(connect=2, answer=20, check=2, trouble=3, first_pause=0.01, longest_pause=0.05)


def test_a_day_of_failures_is_no_overflow():
    server = Server("http://127.0.0.1:1", 8)
    for _ in range(2000):
        assert server.did_badly(time.monotonic(), Failure("no"), QUICK)


def test_retry_after_is_honoured():
    server = Server("http://h/v1", most=8)
    busy = Failure("busy: 429", 429, weight=0.3, blame=0, busy=True, wait=7)
    now = time.monotonic()
    assert server.did_badly(now, busy, Patience())
    assert 7 <= server.paused_until - now < 8
    assert not server.did_badly(now, busy, Patience())  # asked before the pause: the same news
    assert server.did_badly(time.monotonic(), Failure("busy", busy=True, wait=3600), Patience(longest_pause=60))
    assert 60 <= server.paused_until - now < 61


def test_a_busy_server_gets_less_at_once_and_more_again_later():
    server = Server("http://h/v1", most=8)
    limits = []
    for _ in range(4):
        server.did_badly(time.monotonic(), Failure("busy", busy=True), QUICK)
        limits.append(server.limit)
    assert (limits, server.slots) == ([4, 2, 1, 1], 1)
    for _ in range(48):
        server.did_well()
    assert (server.limit, server.slots) == (4, 4)
