"""What staff did is written down, or not done."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from louhua import audit
from louhua.config import Config, Node


def test_lines_are_added_by_whoever_did_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(node=Node(data=tmp_path / "var"))
    monkeypatch.setenv("SUDO_USER", "li")
    before = datetime.now(UTC)
    audit.record(config, "alerts list", number="***8000")
    monkeypatch.setenv("SUDO_USER", "wang")
    audit.record(config, "alerts explain", number="***8000")
    path = tmp_path / "var/audit.log"
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert (first["by"], first["did"], first["number"]) == ("li", "alerts list", "***8000")
    assert (second["by"], second["did"]) == ("wang", "alerts explain")
    times = [datetime.fromisoformat(line["at"]) for line in (first, second)]
    assert before <= times[0] <= times[1] <= datetime.now(UTC)
    assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO


def test_what_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(audit.CannotAudit, match="run this as a user who may write it"):
        audit.record(Config(node=Node(data=tmp_path / "file")), "alerts list")
