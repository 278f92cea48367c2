"""What became of forwarded commands: the last 64, and those that no report has named yet."""

from collections import OrderedDict

from soul_protocol.errors import Code
from soul_protocol.limits import REPORTED_IDS
from soul_protocol.models import Refusal


class Ledger:
    """Remembers executed ids, so that a repeated command is answered and not done twice."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, Code | None] = OrderedDict()
        self._untold: dict[str, Code | None] = {}

    def __contains__(self, id: str) -> bool:  # noqa: A002 (the wire's word)
        return id in self._done

    def note(self, id: str, refused: Code | None = None) -> None:  # noqa: A002
        """A command was carried out, or refused; its id goes into the next report."""
        self._done[id] = refused
        self._done.move_to_end(id)
        while len(self._done) > REPORTED_IDS:
            self._done.popitem(last=False)
        self._untold[id] = refused
        while len(self._untold) > REPORTED_IDS:
            del self._untold[next(iter(self._untold))]

    def again(self, id: str) -> None:  # noqa: A002
        """A command was repeated: tell its end once more."""
        self._untold[id] = self._done[id]

    @property
    def applied(self) -> tuple[str, ...]:
        """For the next report."""
        return tuple(id for id, refused in self._untold.items() if refused is None)  # noqa: A001

    @property
    def refused(self) -> tuple[Refusal, ...]:
        """For the next report."""
        return tuple(
            Refusal(id=id, code=code)
            for id, code in self._untold.items()  # noqa: A001
            if code is not None
        )

    def told(self) -> None:
        """The report went out."""
        self._untold.clear()

    def forget(self) -> None:
        """The canonical state is loaded: what was done since is undone, and may be asked for again."""
        self._done.clear()
        self._untold.clear()
