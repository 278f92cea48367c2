"""The mistakes that the simulator must notice.

`mutations` puts them into a copy of the core, one at a time. `before` stands in its file exactly
once, and becomes `after`.
"""

from typing import Final

from simulator.mistakes_of_requests import OF_REQUESTS
from simulator.mistakes_of_state import OF_STATE

MISTAKES: Final = OF_STATE + OF_REQUESTS
