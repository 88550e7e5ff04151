"""How often somebody may fail to log in, and for how long a login is good."""

from datetime import timedelta
from typing import Final

ATTEMPTS: Final = 5
"""Failed logins by one name from one address until it is locked out."""
COOL_OFF: Final = timedelta(minutes=15)
"""How long it is, from the last of them on."""
SESSION: Final = timedelta(hours=8)
"""A working day; less when the browser is closed."""
