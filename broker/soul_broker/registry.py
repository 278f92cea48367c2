"""Who is here: open connections, the connections of each user, and every session."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from soul_broker.connection import Connection
from soul_broker.endpoint import Endpoint
from soul_broker.packets import Connect
from soul_broker.session import Session, SessionKey

if TYPE_CHECKING:
    from soul_broker.admission import Admission
    from soul_broker.hub import Hub


class Registry:
    """Sessions by (user, role, client id), so that nobody reaches another's."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self.open: set[Endpoint] = set()
        """Every connection whose link is there."""
        self.users: dict[str, tuple[Connection, ...]] = {}
        """Admitted connections by user. A tuple: a set of one costs four times as much."""
        self.sessions: dict[SessionKey, Session] = {}
        # In the order in which they expire: all live equally long.
        self._away: OrderedDict[SessionKey, Session] = OrderedDict()
        self._away_of_user: dict[str, OrderedDict[SessionKey, None]] = {}

    def has_room(self, admission: "Admission") -> bool:
        """Whether one more connection of this user in this role is allowed; a take-over always is.

        By role: who may only look keeps no device out.
        """
        if admission.service:
            return True
        held = self.users.get(admission.key.user, ())
        most, role = self._hub.settings.connections_per_user, admission.key.role
        if len(held) < most or sum(_role(each) == role for each in held) < most:
            return True
        former = self.sessions.get(admission.key)
        return former is not None and former.connection is not None

    def attach(
        self, connection: Connection, connect: Connect, admission: "Admission"
    ) -> tuple[Session, bool]:
        """Give an admitted connection its session.

        Who holds it is disconnected [MQTT-3.1.4-2]; a clean start discards it [MQTT-3.1.2-6].

        Returns:
            The session, and whether it was there before.
        """
        key = admission.key
        former = self.sessions.get(key)
        if former is not None and isinstance(former.connection, Connection):
            former.connection.end("taken over", abort=True)
            former = self.sessions.get(key)
        if former is not None and connect.clean_session:
            self.forget(former)
            former = None
        session = former
        if session is None:
            settings = self._hub.settings
            bounds = settings.service_session if admission.service else settings.session
            session = Session(key, bounds, clean=connect.clean_session)
            self.sessions[key] = session
        else:
            self._back(session)
            # The rights may be less than they were.
            for pattern in [p for p in session.subscriptions or () if not admission.rules.may_subscribe(p)]:
                self.unsubscribe(session, pattern)
        session.connection = connection
        self.users[key.user] = (*self.users.get(key.user, ()), connection)
        statistics = self._hub.statistics
        statistics.clients_connected += 1
        statistics.clients_total += 1
        statistics.clients_maximum = max(statistics.clients_maximum, statistics.clients_connected)
        return session, former is not None

    def detach(self, connection: Connection, session: Session) -> None:
        """A connection has ended: its session is forgotten, or kept for a while."""
        self._hub.statistics.clients_connected -= 1
        user = session.key.user
        others = tuple(each for each in self.users.get(user, ()) if each is not connection)
        if others:
            self.users[user] = others
        else:
            self.users.pop(user, None)
        session.connection = None
        if session.clean:
            self.forget(session)
        else:
            self.keep(session)

    def keep(self, session: Session) -> None:
        """Keep the session of a client that is away, until it expires."""
        self.sessions[session.key] = session
        session.expires_at = self._hub.now() + self._hub.session_expiry
        self._away[session.key] = session
        mine = self._away_of_user.setdefault(session.key.user, OrderedDict())
        mine[session.key] = None
        settings = self._hub.settings
        held = sum(self.sessions[key].held for key in mine)
        while len(mine) > settings.sessions_per_user or (held > settings.sessions_bytes_of_user and mine):
            oldest = self.sessions[next(iter(mine))]
            held -= oldest.held
            self.forget(oldest)

    def forget(self, session: Session) -> None:
        """Discard a session with its subscriptions and everything queued."""
        self._back(session)
        self.sessions.pop(session.key, None)
        for pattern in list(session.subscriptions or ()):
            self.unsubscribe(session, pattern)

    def subscribe(self, session: Session, pattern: str, qos: int) -> None:
        """Add a subscription, or replace its QoS."""
        if session.subscriptions is None:
            session.subscriptions = {}
        session.subscriptions[pattern] = qos
        self._hub.router.subscribe(session, pattern, qos)

    def unsubscribe(self, session: Session, pattern: str) -> bool:
        """Take a subscription away; False where there was none."""
        held = session.subscriptions
        if held is None or held.pop(pattern, None) is None:
            return False
        return self._hub.router.unsubscribe(session, pattern)

    def expire(self, now: float) -> None:
        """Forget the sessions of clients that stayed away too long."""
        while self._away:
            session = next(iter(self._away.values()))
            if session.expires_at > now:
                return
            self._hub.statistics.sessions_expired += 1
            self.forget(session)

    def _back(self, session: Session) -> None:
        if self._away.pop(session.key, None) is None:
            return
        mine = self._away_of_user[session.key.user]
        del mine[session.key]
        if not mine:
            del self._away_of_user[session.key.user]


def _role(connection: Connection) -> str | None:
    return connection.session.key.role if connection.session else None
