"""Where a track id's sound is: ids become addresses that an engine can open.

An id is opaque on the wire. A renderer takes web addresses and absolute paths as they
are; any other id is looked up in its library, a folder or a web address. Whoever may fill
the queue, a guest too, so chooses what this machine opens, unless it is kept to the library.
"""

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from soul_connect.players.engine import EngineError

_PLACE = "{id}"


class TrackResolver:
    """Resolves track ids, with a library for those that are no address by themselves.

    `library` is a folder, or a web address: its `{id}` becomes the id, percent-encoded;
    without `{id}`, the id is appended as a path. An id never leads out of the library.
    With `only_library`, ids that are addresses or paths by themselves are not played.
    """

    def __init__(self, library: str | None = None, *, only_library: bool = False) -> None:
        self._library = library
        self._only_library = only_library

    def resolve(self, track_id: str) -> str:
        """An absolute path that exists, or a web address.

        Raises:
            EngineError: `not_found`; `unsupported` for an address that is neither http(s) nor a file,
                and for any where only the library is played.
        """
        scheme, separator, _ = track_id.partition("://")
        is_address = bool(separator) and scheme.isalnum()
        if self._only_library and (is_address or track_id.startswith("/")):
            raise EngineError("unsupported", f"{track_id!r} is not of the library, and only that is played")
        if track_id.startswith("/"):
            return _existing(Path(track_id), track_id)
        if is_address:
            return _address(track_id)
        if self._library is None:
            raise EngineError("not_found", f"{track_id!r} is no address, and no library is set")
        if "://" in self._library:
            return self._web_address(self._library, track_id)
        return self._file(Path(self._library), track_id)

    def _file(self, folder: Path, track_id: str) -> str:
        # Judged by its words, not by where links lead: whoever put a link into the
        # library wants the music behind it, and an id cannot make links.
        if ".." in Path(track_id).parts:
            raise EngineError("not_found", f"{track_id!r} leads out of the library")
        return _existing(folder.expanduser().absolute() / track_id, track_id)

    def _web_address(self, template: str, track_id: str) -> str:
        if _PLACE in template:
            return template.replace(_PLACE, quote(track_id, safe=""))
        if {".", ".."} & set(track_id.split("/")):
            raise EngineError("not_found", f"{track_id!r} leads out of the library")
        return f"{template.rstrip('/')}/{quote(track_id)}"


def absolute(address: str, folder: str) -> str:
    """A path as a player means it that was started in `folder`; a web address is itself."""
    return address if "://" in address else str(Path(folder) / address)


def _existing(path: Path, track_id: str) -> str:
    try:
        found = path.is_file()
    except (OSError, ValueError):  # unreadable, too long, or a NUL in it
        found = False
    if not found:
        raise EngineError("not_found", f"there is no file {track_id!r}")
    return str(path)


def _address(track_id: str) -> str:
    # A player knows many more schemes, some of which read devices or run filters:
    # an id from the network gets none of them.
    parts = urlsplit(track_id)
    if parts.scheme in {"http", "https"}:
        return track_id
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return _existing(Path(unquote(parts.path)), track_id)
    raise EngineError("unsupported", f"{parts.scheme}:// is not played")
