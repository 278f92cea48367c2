"""The recorded story, in chapters that each begin in an empty house."""

from collections.abc import Iterator

from coordinator.restart.stage import REST, Stage

ALBUM = tuple(f"album/{n}" for n in range(1, 9))
SINGLE = ("single/a", "single/b")
HOUR = 3_600_000


def commands(stage: Stage) -> Iterator[int]:
    """Every class of command, some at the same moment."""
    kitchen = stage.device("Kitchen")
    phone = stage.device("Phone", can_render=False)
    yield 1_000
    phone.command("set_queue", tracks=ALBUM, start_index=1, to=kitchen)
    yield 8_000
    phone.command("play")
    yield 8_000
    phone.command("seek", position_ms=60_000)
    phone.command("set_volume", volume=0.2)
    phone.command("set_repeat", mode="all")
    yield 8_000
    stage.races.add(phone.command("next", expect_position=1))
    stage.races.add(kitchen.command("next", expect_position=1))
    yield 8_000
    stage.races.add(phone.command("pause", issued_at=stage.time.now - 500))
    stage.races.add(kitchen.command("play", issued_at=stage.time.now - 900))
    yield 8_000
    phone.command("previous")
    yield 8_000
    phone.command("play")
    yield 8_000
    phone.command("stop")
    yield 8_000
    phone.command("play", to=phone)
    phone.command("seek", position_ms=1, issued_at=stage.time.now - 31_000)
    yield REST


def queues(stage: Stage) -> Iterator[int]:
    """Shuffle, repeat, queues that are added to, cleared, refused; the order is kept."""
    kitchen = stage.device("Kitchen", habits={"refuses set_repeat"})
    phone = stage.device("Phone")
    yield 1_000
    kitchen.command("set_queue", tracks=ALBUM, start_index=2)
    yield 8_000
    phone.command("set_shuffle", enabled=True)
    yield 8_000
    phone.command("play")
    phone.command("next")
    phone.command("next")
    yield 8_000
    phone.command("set_queue", tracks=(*SINGLE, *ALBUM), start_index=0)
    yield 8_000
    phone.command("set_repeat", mode="one")
    yield 8_000
    phone.command("set_shuffle", enabled=False)
    phone.command("next")
    yield 8_000
    kitchen.do_here("set_queue", tracks=ALBUM[:3], start_index=1)
    yield 8_000
    phone.command("next")
    phone.command("next")
    yield 8_000
    phone.command("set_queue", tracks=(), start_index=0)
    yield 8_000
    phone.command("next")
    yield REST


def transfers(stage: Stage) -> Iterator[int]:
    """Two phases, there and back; to the active device; of a pause; by `play` and `set_queue`."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    phone = stage.device("Phone", can_render=False)
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 8_000
    phone.command("set_shuffle", enabled=True)
    yield 5_000
    phone.transfer(garden)
    yield 8_000
    phone.transfer(garden, "pause", 30_000)
    yield 8_000
    phone.transfer(kitchen)
    yield 8_000
    phone.command("play", to=garden)
    yield 8_000
    phone.command("set_queue", tracks=SINGLE, start_index=1, to=kitchen)
    yield 8_000
    phone.command("next")
    yield 8_000
    phone.command("set_volume", volume=0.9, to=garden)
    phone.transfer(phone)
    yield REST


def failed_transfers(stage: Stage) -> Iterator[int]:
    """A target that cannot load, says nothing, dies, never starts; one transfer after another."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    broken = stage.device("Broken", habits={"fails"})
    silent = stage.device("Silent", habits={"says no ready"})
    mute = stage.device("Mute", habits={"never starts"})
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 3_000
    garden.transfer(broken)
    yield 3_000
    garden.transfer(silent)
    yield 1_500
    garden.play_here(SINGLE)
    yield REST
    kitchen.transfer(silent)
    yield REST
    kitchen.transfer(silent)
    yield 2_500
    silent.die()
    yield REST
    garden.transfer(mute)
    yield REST
    garden.transfer(kitchen, "play")
    yield 8_000
    kitchen.lose()
    garden.transfer(garden)
    yield 8_000
    kitchen.connect()
    yield REST


def claims(stage: Stage) -> Iterator[int]:
    """Pressed on the devices themselves, one after the other and while a transfer is under way."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    phone = stage.device("Phone", can_render=False)
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 5_000
    phone.command("set_repeat", mode="all")
    yield 3_000
    garden.play_here(SINGLE)
    yield 5_000
    garden.do_here("next", queue_position=1)
    yield 5_000
    garden.do_here("set_queue", tracks=("extra", *SINGLE), start_index=0)
    garden.turn(0.3)
    yield 5_000
    stage.races.add(phone.command("play"))
    kitchen.play_here(ALBUM[4:])
    yield REST
    kitchen.play_here(SINGLE)
    yield 5_000
    phone.play_here(SINGLE)
    yield REST


def comings_and_goings(stage: Stage) -> Iterator[int]:
    """Wills, goodbyes, returns: soon and playing, soon and silent, late, to another's music."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    phone = stage.device("Phone", can_render=False)
    line = stage.device("line", ephemeral=True, can_render=False)
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 8_000
    line.command("next")
    yield 3_000
    line.leave()
    kitchen.lose()
    yield 1_000
    kitchen.connect()
    yield REST
    kitchen.lose()
    yield REST
    kitchen.connect()
    yield REST
    kitchen.die()
    yield 30_000
    kitchen.connect()
    yield REST
    kitchen.die()
    yield 1_000
    phone.command("next")
    yield 30_000
    kitchen.connect()
    yield REST
    phone.command("play")
    yield 8_000
    kitchen.die()
    yield 200_000
    kitchen.connect()
    yield REST
    phone.command("play")
    yield 8_000
    kitchen.lose()
    yield REST
    garden.play_here(SINGLE)
    yield 8_000
    kitchen.connect()
    yield REST
    garden.die()
    yield REST
    phone.command("pause")
    phone.command("play", to=kitchen)
    yield REST


def guests(stage: Stage) -> Iterator[int]:
    """What their scopes let them do; an end by time, and one by hand."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    eve = stage.guest("Eve", "control", "queue")
    tom = stage.guest("Tom", "control", "transfer", lasts=60_000)
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 5_000
    eve.command("pause")
    yield 5_000
    eve.command("play", to=garden)
    tom.command("play", to=garden)
    yield 8_000
    tom.transfer(kitchen)
    yield 8_000
    eve.command("set_queue", tracks=SINGLE, start_index=0)
    yield 40_000
    tom.command("pause")
    stage.revoke(eve)
    yield REST


def names_and_ends(stage: Stage) -> Iterator[int]:
    """Names that are taken, renamings, deletions: of others, of the active one, of oneself."""
    kitchen, garden = stage.device("Kitchen"), stage.device("kitchen")
    phone = stage.device("Phone", can_render=False)
    other = stage.device("Kitchen", user="bob")
    yield 1_000
    phone.rename(garden, "KITCHEN")
    yield 3_000
    phone.rename(garden, "Garden")
    phone.rename(other, "Mine")
    yield 3_000
    garden.play_here(ALBUM)
    other.play_here(SINGLE)
    yield 3_000
    phone.delete(other)
    phone.delete(kitchen)
    yield 5_000
    phone.command("next")
    yield 3_000
    phone.delete(garden)
    yield 5_000
    phone.command("play")
    radio = stage.device("Radio")
    yield 3_000
    phone.command("play", to=radio)
    yield 5_000
    phone.delete(phone)
    yield REST


def windows(stage: Stage) -> Iterator[int]:
    """A device that can take a part of the queue at a time."""
    dap = stage.device("Dap", max_payload_bytes=3_000)
    phone = stage.device("Phone")
    many = tuple(f"a long name for a track, number {n}" for n in range(60))
    yield 1_000
    phone.command("set_queue", tracks=many, start_index=20, to=dap)
    yield 8_000
    phone.command("play")
    yield 5_000
    for _ in range(9):
        phone.command("next")
        yield 1_500
    phone.command("set_shuffle", enabled=True)
    yield 8_000
    phone.transfer(phone)
    yield 8_000
    phone.transfer(dap)
    yield 8_000
    phone.command("set_shuffle", enabled=False)
    yield REST


def long_absences(stage: Stage) -> Iterator[int]:
    """What a day and a month forget; sequences and epochs go on."""
    kitchen, garden = stage.device("Kitchen"), stage.device("Garden")
    yield 1_000
    kitchen.play_here(ALBUM)
    yield 5_000
    garden.leave()
    kitchen.leave()
    yield 5_000
    kitchen.connect()
    yield REST
    kitchen.leave()
    yield 20 * HOUR
    kitchen.connect()
    yield REST
    kitchen.die()
    yield 25 * HOUR
    kitchen.connect()
    yield 5_000
    kitchen.play_here(SINGLE)
    yield 5_000
    kitchen.die()
    yield 31 * 24 * HOUR
    radio = stage.device("Kitchen")
    yield 1_000
    radio.command("next")
    radio.command("play")
    yield REST


STORIES = (
    commands,
    queues,
    transfers,
    failed_transfers,
    claims,
    comings_and_goings,
    guests,
    names_and_ends,
    windows,
    long_absences,
)
