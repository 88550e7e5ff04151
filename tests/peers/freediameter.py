"""freeDiameter as a relay agent: started on loopback, stopped when done."""

import signal
import socket
import subprocess
import time
from pathlib import Path

_CONFIG = """
Identity = "{identity}";
Realm = "{realm}";
Port = {port};
SecPort = 0;
No_SCTP;
No_IPv6;
ListenOn = "127.0.0.1";
AppServThreads = 4;
TwTimer = 6;
TcTimer = 1;
TLS_Cred = "{directory}/cert.pem", "{directory}/key.pem";
TLS_CA = "{directory}/cert.pem";
LoadExtension = "acl_wl.fdx" : "{directory}/acl_wl.conf";
LoadExtension = "dict_nasreq.fdx";
LoadExtension = "dict_dcca.fdx";
LoadExtension = "dict_dcca_3gpp.fdx";
ConnectPeer = "{server}" {{ No_TLS; No_SCTP; No_IPv6; ConnectTo = "127.0.0.1"; Port = {server_port}; }};
"""


def free_port() -> int:
    """A TCP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FreeDiameter:
    """A relay for ``client`` to ``server``, which listens on ``server_port``."""

    identity = "dra.relay.example"

    def __init__(self, directory: Path, client: str, server: str, server_port: int) -> None:
        self.port = free_port()
        self.log = directory / "freediameter.log"
        self._directory = directory
        self._client = client
        self._server = server, server_port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             f"/CN={self.identity}", "-keyout", "key.pem", "-out", "cert.pem"],
            check=True, capture_output=True, timeout=60, cwd=self._directory,
        )  # fmt: skip
        self._directory.joinpath("acl_wl.conf").write_text(f"ALLOW_IPSEC {self._client}\n")
        config = self._directory / "freediameter.conf"
        config.write_text(
            _CONFIG.format(
                identity=self.identity, realm=self.identity.partition(".")[2], port=self.port,
                directory=self._directory, server=self._server[0], server_port=self._server[1],
            )
        )  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["freeDiameterd", "-c", config], stdout=log, stderr=log, cwd=self._directory
            )
        self._await_port()

    def _await_port(self) -> None:
        for _ in range(150):
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text(errors="replace")[-4000:]
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(f"freeDiameter does not listen:\n{self.log.read_text(errors='replace')[-4000:]}")

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
