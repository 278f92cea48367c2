"""One track of the folder, and the order that people expect."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soul_coordinator.music.tags import Tags


@dataclass(frozen=True, slots=True)
class Track:
    """A track.

    Attributes:
        id: its path below the folder, as it stands in queues.
        tags: what the file says of itself.
        media_type: of its sound.
        cover: the name of its cover.
    """

    id: str
    tags: Tags
    media_type: str
    cover: str | None = None

    @property
    def album(self) -> str | None:
        """As the file says, else the name of its folder."""
        return self.tags.album or PurePosixPath(self.id).parent.name or None

    def describe(self) -> dict[str, Any]:
        """What a page is told of it: the fields that are known."""
        tags = self.tags
        fields = {
            "title": tags.title or PurePosixPath(self.id).stem,
            "artist": tags.artist or tags.album_artist,
            "album": self.album,
            "album_artist": tags.album_artist,
            "year": tags.year,
            "disc_number": tags.disc_number,
            "track_number": tags.track_number,
            "duration_ms": tags.duration_ms,
            "media_type": self.media_type,
            "cover": None if self.cover is None else f"covers/{self.cover}",
        }
        return {name: value for name, value in fields.items() if value is not None}

    def place(self) -> tuple[Any, ...]:
        """Where it stands: by artist, year and album, and within one by disc and number."""
        tags = self.tags
        artist = (tags.album_artist or tags.artist or "").casefold()
        album = (tags.album or str(PurePosixPath(self.id).parent)).casefold()
        inside = (tags.disc_number or 1, tags.track_number or 0, self.id)
        return (not artist, artist, tags.year or 0, album, *inside)

    def words(self) -> str:
        """What a search looks through."""
        tags = self.tags
        found = (self.describe()["title"], tags.artist, tags.album_artist, self.album)
        return "\n".join(each for each in found if each).casefold()
