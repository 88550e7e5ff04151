"""The configuration: read, overridden, and refused with the way out."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from louhua.config import Config, ConfigError, load, split_address

EXAMPLE = Path(__file__).parent.parent / "louhua.example.toml"


REGISTRAR = """[[registrars]]
address = "10.0.0.1:5060"
listen = "10.0.0.2:5060"
uri = "sip:+{number}@ims.example"
"""


DIAMETER = """[charging.diameter]
origin_host = "l.example"
origin_realm = "example"
destination_realm = "ocs.example"
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "louhua.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_example_is_valid_and_names_the_documented_keys() -> None:
    config = load(EXAMPLE)
    assert config.service.access_number == "06001"
    assert config.sip.trunks[0].called_from[0] == "diversion"
    assert config.smsc[0].reachability == "probe"
    assert config.alerts.watch_limit == timedelta(hours=72)


@pytest.mark.parametrize(
    ("kept", "way_out"),
    [
        ('calls = "7d"', "retention.calls: NATS keeps events for seven days"),
        ('inbound = "1d"', "retention.inbound: NATS keeps events for seven days"),
        ('texts = "0s"', "retention.texts: records are kept for a day at least (1d)"),
        ("messages = 0", "retention.messages: records are kept for a day at least (1d)"),
        ('help = "never"', "retention.help: 'never' is not a duration"),
        ('texts = "400d"', "a year is the longest"),
        ('calls = "30d"', "keep calls as long as alerts"),
    ],
)
def test_records_are_kept_neither_for_ever_nor_for_nothing(tmp_path: Path, kept: str, way_out: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(way_out)):
        load(write(tmp_path, f"[retention]\n{kept}\n"))


def test_months_can_be_written(tmp_path: Path) -> None:
    kept = load(write(tmp_path, '[retention]\ncalls = "366d"\nalerts = "150d"\n')).retention
    assert (kept.calls, kept.alerts) == (timedelta(days=366), timedelta(days=150))


def test_nothing_needs_to_be_configured() -> None:
    assert load(None).node.roles == ("call", "alert", "web")


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, '[sip]\nlisten = "127.0.0.1:5060"\nmax_calls = 7\n')
    monkeypatch.setenv("LOUHUA_SIP__LISTEN", "127.0.0.1:6060")
    monkeypatch.setenv("LOUHUA_SMSC", '[{"name": "a", "host": "h", "port": 1, "system_id": "s"}]')
    config = load(path)
    assert config.sip.listen == "127.0.0.1:6060"
    assert config.sip.max_calls == 7
    assert config.smsc[0].name == "a"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[sip]\nlissten = 1\n", "sip.lissten: there is no such key"),
        ('[sip]\nlisten = "5060"\n', "sip.listen: '5060' is not an address; write it like 127.0.0.1:5060"),
        ('[sip]\nmedia_ports = "30000-20000"\n', "write a range within 1024-65535"),
        ('[alerts]\nquiet_time = "soon"\n', "alerts.quiet_time: 'soon' is not a duration"),
        ('[service]\ntimezone = "Peking"\n', "write it like Asia/Shanghai"),
        ('[[sip.trunks]]\nname = "a"\npeers = ["10.0.0.300"]\n', "write a network like 10.1.2.0/24"),
        (
            '[[sip.trunks]]\nname = "a"\npeers = ["::1"]\n[[sip.trunks]]\nname = "a"\npeers = ["::1"]\n',
            "same name",
        ),
        ('[database]\nurl = "mysql://x"\n', "database.url"),
        ('[sip]\nlisten = "[::1]:5060"\n', "IPv4 only; write it like 0.0.0.0:5060"),
        ('[sip]\nmedia_address = "0.0.0.0"\n', "name this machine's address"),
        ('[sip]\nmedia_address = "media.example"\n', "write an IPv4 address of this machine"),
        ('[sip]\nlisten = "10.0.0.5:5060"\n', "callers of 10.0.0.5 cannot reach it; set it to 10.0.0.5"),
        ('[sip]\nlisten = "127.0.0.1:20000"\n', "one of media_ports; move one of them"),
        ('[alerts]\nwatch_limit = "99999999999d"\n', "alerts.watch_limit: '99999999999d' is too long"),
        ("[alerts]\nwatch_limit = -5\n", "alerts.watch_limit: -5 is not a duration"),
        ('[alerts]\nenquiry_window = "30m"\n', "whole hours"),
        ('[[ranges]]\nname = "a"\nprefixes = []\n', "ranges.0.prefixes"),
        ('[[ranges]]\nname = "a"\nprefixes = ["+86"]\n', "ranges.0.prefixes.0"),
        ('[[ranges]]\nname = "a"\nprefixes = ["86"]\nsmsc = ["b"]\n', "ranges a: no [[smsc]] is named 'b'"),
        (
            '[[ranges]]\nname = "a"\nprefixes = ["86"]\n[[ranges]]\nname = "b"\nprefixes = ["861", "86"]\n',
            "ranges b: 86 is a prefix of a, too",
        ),
        ("[node]\nroles = []\n", "node.roles: name 1 at least"),
        ('[node]\nroles = "call"\n', 'node.roles: write a list, as ["a", "b"]'),
        ('[node]\nroles = ["caller"]\n', "node.roles.0: write 'call', 'alert' or 'web'"),
        ('[node]\nname = "a b"\n', "node.name: write 1 to 40 letters, digits, - or _"),
        ('[[smsc]]\nname = "a"\n', "smsc.0.host: must be given; there is no default"),
        ("smsc = 3\n", "smsc: write a list"),
        ("sip = 3\n", "sip: is a table of keys"),
        ('[sip]\nmax_calls = "many"\n', "sip.max_calls: write a whole number"),
        ("[sip]\nmax_calls = 0\n", "sip.max_calls: the least is 1"),
        ('[sip]\nmedia_ports = "a-b"\n', "sip.media_ports: write a range, as 20000-29999"),
        ('[service]\nlanguage = "fr"\n', "service.language: write 'zh-hans' or 'en'"),
        ("[service]\naccess_number = 12345\n", "service.access_number: write it in quotes"),
        ('[alerts]\nopt_out = "maybe"\n', "alerts.opt_out: write true or false"),
        ('[alerts]\nquiet_hours = "night"\n', "alerts.quiet_hours: 'night' are no hours; write them like 22:00"),
        (
            '[[smsc]]\nname = "a"\nhost = "h"\nport = 70000\nsystem_id = "0123456789abcdef"\nrate = "x"\n',
            "smsc.0.port: the most is 65535\nsmsc.0.system_id: 15 characters at most\nsmsc.0.rate: write a number",
        ),
        ('[api.tokens]\nhlr = "short"\n', "api.tokens.hlr"),
        ('[api.tokens]\na = "0123456789abcdef"\nb = "0123456789abcdef"\n', "two tokens are the same"),
        ('[[ranges]]\nname = "a"\nprefixes = ["86"]\nreachability = ["reg"]\n', "write probe or the name"),
        ('[[ranges]]\nname = "a"\nprefixes = ["86"]\nreachability = ["probe", "probe"]\n', "names a source twice"),
        (REGISTRAR.replace("{number}", "number"), "registrars.0.uri"),
        (REGISTRAR.replace("10.0.0.2", "0.0.0.0"), "write an IPv4 address and a port"),
        (REGISTRAR + 'name = "probe"\n', "give the registrar another name"),
        (REGISTRAR + 'expires = "1s"\n', "write a length from 1m to 1d"),
        (REGISTRAR + 'peers = ["x"]\n', "write a network like 10.1.2.0/24"),
        (REGISTRAR + REGISTRAR, "two [[registrars]] have the same name"),
        (REGISTRAR + REGISTRAR + 'name = "b"\n', "listen on the same port"),
        ("[charging]\nocs = 1\n", "charging.ocs: there is no such key"),
        ('[charging.diameter]\norigin_host = "a"\n', "charging.diameter.peers: must be given"),
        (DIAMETER + 'peers = ["ocs"]\n', "write it like 127.0.0.1:5060"),
        (DIAMETER + 'peers = ["ocs:0"]\n', "no peer listens on port 0"),
        (DIAMETER + 'peers = ["a:1", "a:1"]\n', "a peer is named twice"),
        (DIAMETER + "peers = []\n", "charging.diameter.peers: name 1 at least"),
        (DIAMETER + 'peers = ["a:1"]\ntimeout = "10ms"\n', "write a length from 100ms to 20s"),
        (DIAMETER + 'peers = ["a:1"]\nitems = { sms = 1 }\n', "sms: there is no such item; the items are missed,"),
        (DIAMETER + 'peers = ["a:1"]\nitems = { missed = -1 }\n', "the least is 0"),
        (
            DIAMETER + 'peers = ["a:1"]\ndestination_host = "a b"\n',
            "write a host, as ocs1.ims.example, or nothing",
        ),
        (DIAMETER.replace("l.example", "l;example"), "write a host or realm"),
        ("[sip\n", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(tmp_path, text))
    assert complaint in "\n".join(raised.value.problems)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(write(tmp_path, '[sip]\nfoo = 1\n[web]\nlisten = "x"\n'))
    assert len(raised.value.problems) == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name an existing file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("LOUHUA_SIPP__LISTEN", "127.0.0.1:1", "LOUHUA_SIPP__LISTEN: there is no such section"),
        ("LOUHUA_NODE__ROLES", "call,alert", "written as JSON"),
        ("LOUHUA_SMSC", "nonsense", "LOUHUA_SMSC…: cannot be read"),
        ("LOUHUA_SIP__LISSTEN", "127.0.0.1:1", "sip.lissten: there is no such key"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as raised:
        load(None)
    assert complaint in str(raised.value)


def test_passwords_are_not_shown() -> None:
    config = Config.model_validate(
        {"smsc": [{"name": "a", "host": "h", "port": 1, "system_id": "s", "password": "hidden"}]}
    )
    assert "hidden" not in repr(config)


def test_addresses_split_at_the_last_colon() -> None:
    assert split_address("[::1]:5060") == ("[::1]", 5060)


def test_tokens_are_not_shown() -> None:
    config = Config.model_validate({"api": {"tokens": {"hlr": "0123456789abcdef"}}})
    assert "0123456789abcdef" not in repr(config)
