"""How a file that may turn out to be a pipe is opened, on every system."""

import os
from typing import Final

# Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever. Windows has neither
# such pipes nor that flag; it has one that keeps line ends as they are.
READ_FLAGS: Final[int] = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
