"""How a forwarded command is carried out on a turntable."""

from soul.contract import INVALID_COMMAND, UNSUPPORTED
from soul.deck import Deck


def execute(command, table, resume_at):
    """Carry it out; returns None, or the code of a refusal, and then nothing has changed.

    `resume_at` (ms): where `play` begins with a track that is not loaded yet.
    """
    return _DOING[command["type"]](command, table, resume_at)


def _play(_command, table, resume_at):
    if table.track is not None:
        table.play()
    elif not table.put_on(table.deck, resume_at, True) and not table.deck.length:
        return UNSUPPORTED
    return None


def _pause(_command, table, _resume_at):
    table.pause()


def _stop(_command, table, _resume_at):
    table.pause()
    if table.track is not None:
        table.seek(0)


def _seek(command, table, _resume_at):
    position = command["position_ms"]
    if table.track is not None:
        table.seek(position)
    elif not table.put_on(table.deck, position, False):
        return UNSUPPORTED
    return None


def _step(command, table, _resume_at):
    index = command["queue_position"]
    if index >= table.deck.length:
        return INVALID_COMMAND
    table.go_to(index, command.get("is_playing", table.playing))
    return None


def _set_queue(command, table, _resume_at):
    deck, playing = table.make_room().with_queue(command), table.playing
    if not deck.length:
        table.clear()
        table.deck = Deck(shuffle=deck.shuffle, repeat=deck.repeat, rev=deck.rev)
    elif command.get("keep_position") and table.track is not None and deck.track() == table.track:
        table.rearrange(deck)
    else:
        table.put_on(deck, 0, playing)


def _set_volume(command, table, _resume_at):
    table.set_volume(command["volume"])


def _set_shuffle(command, table, _resume_at):
    table.rearrange(table.make_room().with_shuffle(command))


def _set_repeat(command, table, _resume_at):
    if command["mode"] not in ("off", "one", "all"):
        return INVALID_COMMAND
    table.rearrange(table.deck.with_repeat(command["mode"]))
    return None


def _set_window(command, table, _resume_at):
    if command["queue_rev"] < table.deck.rev:
        return INVALID_COMMAND  # of an earlier queue: a repetition that came late
    table.rearrange(table.make_room().with_window(command))
    return None


_DOING = {
    "play": _play,
    "pause": _pause,
    "stop": _stop,
    "seek": _seek,
    "next": _step,
    "previous": _step,
    "set_queue": _set_queue,
    "set_volume": _set_volume,
    "set_shuffle": _set_shuffle,
    "set_repeat": _set_repeat,
    "set_window": _set_window,
}
