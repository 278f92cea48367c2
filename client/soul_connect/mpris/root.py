"""The media player as such: what it is, and what it cannot do."""

from typing import Annotated, Final

from dbus_fast.annotations import DBusBool, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

_READ: Final = PropertyAccess.READ
_Strings = Annotated[list[str], DBusSignature("as")]


class Root(ServiceInterface):
    """`org.mpris.MediaPlayer2`."""

    def __init__(self) -> None:
        super().__init__("org.mpris.MediaPlayer2")

    @dbus_method()
    def Raise(self) -> None:
        """There is no window."""

    @dbus_method()
    def Quit(self) -> None:
        """Not from here."""

    @dbus_property(_READ)
    def CanQuit(self) -> DBusBool:
        """No."""
        return False

    @dbus_property(_READ)
    def CanRaise(self) -> DBusBool:
        """No."""
        return False

    @dbus_property(_READ)
    def HasTrackList(self) -> DBusBool:
        """No."""
        return False

    @dbus_property(_READ)
    def Identity(self) -> DBusStr:
        """What people see."""
        return "Soul Connect"

    @dbus_property(_READ)
    def SupportedUriSchemes(self) -> _Strings:
        """For `OpenUri`."""
        return ["file", "http", "https"]

    @dbus_property(_READ)
    def SupportedMimeTypes(self) -> _Strings:
        """For `OpenUri`."""
        return ["audio/flac", "audio/mpeg", "audio/ogg", "audio/opus", "audio/x-wav", "audio/mp4"]
