"""Django's signing key: made once, kept in the data directory, readable by the owner only."""

import os
import secrets
from pathlib import Path


def secret_key(data: Path) -> str:
    """The node's key; the first caller makes it, and two first callers agree."""
    path = data / "secret-key"
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        data.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"secret-key.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48), "ascii")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text("ascii")
