"""The grants as an ACL file of mosquitto: `python -m soul_protocol.mosquitto` (mosquitto.conf(5), acl_file).

`config/mosquitto.acl` is what it prints. mosquitto puts user name and client id in for `%u` and `%c`, so the
file names no account and every account may only what its grant says.

mosquitto knows one password for an account and no roles: everybody in it is a device. There are no guests,
since a guest is a stranger with the account's name, and no observers of a whole account.
"""

import sys
from typing import Final

from soul_protocol.roles import Identity, Role, grant_for
from soul_protocol.tokens import SERVICE_USER

USER: Final = "%u"
DEVICE: Final = "%c"

_HEAD: Final = f"""\
# Who may use which topics of Soul Connect, for mosquitto's acl_file.
# Made by `python -m soul_protocol.mosquitto`; docs/mosquitto.md says how to use it.
# %u is the user name and %c the client id of a connection: a device's id.

user {SERVICE_USER}
"""


def acl_file() -> str:
    """The text of the file. What it does not name is denied."""
    service = grant_for(Identity(SERVICE_USER, Role.SERVICE))
    device = grant_for(Identity(USER, Role.DEVICE, DEVICE))
    lines = [f"topic {_word(topic, service.publish)} {topic}" for topic in service.subscribe]
    patterns = [f"pattern write {topic}" for topic in device.publish]
    patterns += [f"pattern read {topic}" for topic in device.subscribe]
    return _HEAD + "\n".join([*lines, "", *patterns, ""])


def _word(topic: str, written: tuple[str, ...]) -> str:
    return "readwrite" if topic in written else "read"


if __name__ == "__main__":
    sys.stdout.write(acl_file())
