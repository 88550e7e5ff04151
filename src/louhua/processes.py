"""Child processes: started so that none outlives its parent, stopped by pid and never by name."""

import contextlib
import os
import shutil
import signal
import subprocess


class StartError(Exception):
    """A server or a role could not be started; the message says why and what to do."""


def child_command(command: list[str], *, pdeathsig: str = "TERM", user: int | None = None) -> list[str]:
    """Wrap ``command`` so that the kernel signals it when its parent dies, whatever killed the parent.

    With ``user`` (root only) it runs as that uid, keeping only the right to pass directories of others.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StartError("setpriv was not found; install the package util-linux")
    wrapper = [setpriv, "--pdeathsig", pdeathsig]
    if user is not None:
        wrapper += [
            f"--reuid={user}", f"--regid={user}", "--clear-groups",
            "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override",
        ]  # fmt: skip
    return [*wrapper, "--", *command]


def stop_process(process: subprocess.Popen[bytes], limit_s: float, how: signal.Signals = signal.SIGTERM) -> int:
    """Ask a child to stop, kill it after ``limit_s`` seconds, and return its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if os.getpgid(
                    process.pid
                ) == process.pid else process.kill()
    return process.wait()
