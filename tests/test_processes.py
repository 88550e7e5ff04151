"""Child processes end with their parent and stop when asked."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from louhua.processes import child_command, stop_process


def test_a_child_dies_with_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import os, subprocess
                from louhua.processes import child_command
                child = subprocess.Popen(child_command(["cat"]), stdin=subprocess.PIPE)
                print(child.pid, flush=True)
                os.read(0, 1)
            """),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.kill()
        import select

        poll = select.poll()
        poll.register(watch, select.POLLIN)
        assert poll.poll(5000), "the child outlived its parent"
        os.close(watch)


def test_a_child_that_ignores_the_request_is_killed() -> None:
    stubborn = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert stop_process(child, limit_s=0.2) == -signal.SIGKILL


def test_a_polite_child_ends_at_once() -> None:
    with subprocess.Popen(child_command(["sleep", "60"])) as child:
        assert stop_process(child, limit_s=5) == -signal.SIGTERM


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose a user")
def test_root_hands_over_to_another_user() -> None:
    done = subprocess.run(child_command(["id", "-u"], user=65534), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "65534"
