"""A media process with a few prompts, and phones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.calls.media.phone import Media, Phone, free_ports

HELLO = bytes(octet % 251 + 1 for octet in range(160 * 12))
GOODBYE = bytes(octet % 13 + 100 for octet in range(160 * 4 + 40))


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two prompts, of 240 ms and of 85 ms."""
    directory = tmp_path_factory.mktemp("prompts")
    (directory / "en").mkdir()
    (directory / "en/hello.al").write_bytes(HELLO)
    (directory / "en/goodbye.al").write_bytes(GOODBYE)
    return directory


@pytest.fixture(scope="module")
def media(prompts: Path) -> Iterator[Media]:
    """One media process."""
    media = Media(prompts, ports=free_ports(100))
    yield media
    media.manager.stop()


@pytest.fixture
def phone() -> Iterator[Phone]:
    """A phone."""
    phone = Phone()
    yield phone
    phone.socket.close()


@pytest.fixture
def other_phone() -> Iterator[Phone]:
    """Another phone of the same peer."""
    phone = Phone()
    yield phone
    phone.socket.close()


@pytest.fixture
def stranger() -> Iterator[Phone]:
    """A phone that was never announced."""
    phone = Phone()
    yield phone
    phone.socket.close()
