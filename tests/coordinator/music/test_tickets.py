"""A ticket opens one track, for one user, for a while."""

import pytest

from soul_coordinator.music.tickets import BadTicket, TicketOver, Tickets

NOW = 1_764_000_123_456
TICKETS = Tickets(b"k" * 32)
JTI = "0123456789abcdef" * 2


def test_a_ticket_lasts_as_long_as_its_track_and_ten_minutes_more() -> None:
    ticket = TICKETS.make("alice", JTI, "a/b.wav", now=NOW, duration_ms=240_000)
    assert 840_000 < ticket.expires_at - NOW <= 840_000 + 300_000
    assert TICKETS.check(ticket.text, "alice", "a/b.wav", now=NOW) == JTI
    assert TICKETS.check(ticket.text, "alice", "a/b.wav", now=ticket.expires_at - 1) == JTI
    with pytest.raises(TicketOver):
        TICKETS.check(ticket.text, "alice", "a/b.wav", now=ticket.expires_at)


def test_it_is_the_same_for_a_while() -> None:
    first = TICKETS.make("alice", JTI, "a", now=1_764_000_000_000, duration_ms=1_000)
    again = TICKETS.make("alice", JTI, "a", now=1_764_000_299_999, duration_ms=1_000)
    later = TICKETS.make("alice", JTI, "a", now=1_764_000_300_000, duration_ms=1_000)
    assert first == again != later


def test_a_track_without_end_gets_six_hours_at_most() -> None:
    ticket = TICKETS.make("alice", JTI, "a", now=NOW, duration_ms=10**12)
    assert ticket.expires_at - NOW <= (6 * 3600 + 600 + 300) * 1000


def test_it_is_good_for_nothing_else() -> None:
    ticket = TICKETS.make("alice", JTI, "a/b.wav", now=NOW, duration_ms=1_000).text
    end, _, signature = ticket.split("-", 2)
    forged = [
        ("bob", "a/b.wav", ticket),
        ("alice", "a/c.wav", ticket),
        ("alice\n1", "a/b.wav", ticket),
        ("alice", "a/b.wav", f"{int(end) + 1}-{JTI}-{signature}"),
        ("alice", "a/b.wav", f"{end}-{JTI[::-1]}-{signature}"),
        ("alice", "a/b.wav", f"{end}-{signature}"),
        ("alice", "a/b.wav", f"{end}-{JTI}-{signature[:-1]}"),
        ("alice", "a/b.wav", f"{end}-{JTI}-{'A' * 43}"),
        ("alice", "a/b.wav", f"0{ticket}"[:-1]),
        ("alice", "a/b.wav", ""),
        ("alice", "a/b.wav", f"{ticket}\n"),
        ("alice", "a/b.wav", f"{'9' * 30}-{JTI}-{signature}"),
        ("alice", "a/b.wav", f"٣{ticket}"),
        ("alice", "a/\ud800.wav", ticket),
    ]
    for user, track, text in forged:
        with pytest.raises(BadTicket):
            TICKETS.check(text, user, track, now=NOW)
    with pytest.raises(BadTicket):
        Tickets(b"other".ljust(32)).check(ticket, "alice", "a/b.wav", now=NOW)
