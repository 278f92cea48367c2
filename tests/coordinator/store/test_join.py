"""Saves of one row are one statement; what lies between keeps its place."""

from coordinator.store.saved import DEVICES, IDS, NOW, receipt
from soul_coordinator.adapters.sqlite_join import EndPending, SaveState, joined
from soul_coordinator.core.effects import (
    DropPending,
    ForgetDevice,
    Save,
    SaveContext,
    SavePending,
    SavePlayback,
    SavePosition,
    SaveReceipt,
)
from soul_coordinator.core.records import Pending
from soul_coordinator.core.values import Address, Playback

STATE = SavePlayback("alice", Playback(sequence=7), with_queue=False)
CONTEXT = SaveContext("alice", {"play": NOW}, None)
DROP = DropPending("alice", DEVICES[0], IDS[0])
ANSWER = SaveReceipt(receipt())
POSITION = SavePosition("alice", 1, NOW)
FORGET = ForgetDevice("alice", DEVICES[1], "unseen")


def waiting() -> SavePending:
    asker = Address("alice", "device", DEVICES[0])
    return SavePending(Pending(asker, IDS[0], DEVICES[0], {"type": "pause"}, None, 1, NOW, NOW, 1))


def test_what_ends_a_command_is_two_rows() -> None:
    assert joined([STATE, DROP, CONTEXT, ANSWER]) == [
        SaveState("alice", STATE, CONTEXT),
        EndPending("alice", ANSWER),
    ]


def test_a_context_goes_where_its_playback_is_and_an_end_where_its_answer_is() -> None:
    saves: list[Save] = [STATE, DROP, FORGET, CONTEXT, POSITION, ANSWER]
    assert joined(saves) == [
        SaveState("alice", STATE, CONTEXT),
        FORGET,
        POSITION,
        EndPending("alice", ANSWER),
    ]


def test_each_pair_is_joined_once() -> None:
    """Two commands of one batch."""
    later = SavePlayback("alice", Playback(sequence=8), with_queue=False)
    assert joined([STATE, CONTEXT, later, CONTEXT, CONTEXT]) == [
        SaveState("alice", STATE, CONTEXT),
        SaveState("alice", later, CONTEXT),
        CONTEXT,
    ]
    assert joined([DROP, ANSWER, ANSWER]) == [EndPending("alice", ANSWER), ANSWER]


def test_an_id_that_waits_anew_is_not_ended() -> None:
    pending = waiting()
    assert joined([DROP, pending, ANSWER]) == [DROP, pending, ANSWER]


def test_other_users_and_other_requests_are_left_alone() -> None:
    theirs = SaveContext("bob", {}, None)
    other = SaveReceipt(receipt(id=IDS[1]))
    assert joined([STATE, theirs, DROP, other]) == [STATE, theirs, DROP, other]
