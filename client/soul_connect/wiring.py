"""What connects a client to the world; simulations bring their own."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from soul_connect.link import Dial, Link, OpenLink
from soul_protocol.elapsed import elapsed


def open_link(dial: Dial) -> AbstractAsyncContextManager[Link]:
    """`transport.open_link`; the MQTT library is imported with the first connection."""
    from soul_connect.transport import open_link as real  # noqa: PLC0415 (see above)

    return real(dial)


@dataclass(frozen=True, slots=True)
class Wiring:
    """How connections are made, what time it is (in seconds; never going back), and chance.

    The time counts what the computer slept: a timer that is late by so much tells the session.
    """

    open_link: OpenLink = open_link
    clock: Callable[[], float] = elapsed
    rng: random.Random = field(default_factory=random.SystemRandom)
