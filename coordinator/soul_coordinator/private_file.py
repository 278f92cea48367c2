"""Files of the data directory, under the coordinator's names for it."""

from soul_protocol.private_file import own_like
from soul_protocol.private_file import write_privately as place

__all__ = ["own_like", "place"]
