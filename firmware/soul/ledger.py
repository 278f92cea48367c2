"""What became of forwarded commands: the last 64, and those that no report has named yet."""

from soul.contract import REPORTED_IDS


class Ledger:
    """Remembers executed ids, so that a repeated command is answered and not done twice."""

    def __init__(self):
        self._done = []  # (id, code or None), oldest first; a dict of MicroPython has no order
        self._untold = []

    def __contains__(self, id):
        return any(one[0] == id for one in self._done)

    def note(self, id, refused=None):
        """A command was carried out, or refused; its id goes into the next report."""
        self._done.append((id, refused))
        self._untold.append((id, refused))
        del self._done[:-REPORTED_IDS]
        del self._untold[:-REPORTED_IDS]

    def again(self, id):
        """A command was repeated: tell its end once more."""
        if not any(one[0] == id for one in self._untold):
            self._untold += [one for one in self._done if one[0] == id]

    def bring(self, report):
        """Add what is to be told to a report."""
        applied = [id for id, refused in self._untold if refused is None]
        refused = [{"id": id, "code": code} for id, code in self._untold if code is not None]
        if applied:
            report["applied"] = applied
        if refused:
            report["refused"] = refused
        return bool(applied or refused)

    def told(self):
        """The report went out."""
        self._untold.clear()

    def forget(self):
        """The canonical state is loaded: what was done since is undone, and may be asked for again."""
        self._done.clear()
        self._untold.clear()
