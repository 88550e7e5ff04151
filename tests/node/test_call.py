"""The call role as a process."""

from pathlib import Path

import pytest

from louhua.node.call import hold
from louhua.processes import StartError


def test_a_second_process_does_not_take_the_spool(tmp_path: Path) -> None:
    """It would end the first one's live calls as failed and remove its segments and recordings."""
    hold(tmp_path / "spool")
    with pytest.raises(StartError, match="another call role"):
        hold(tmp_path / "spool")
