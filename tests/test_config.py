"""The configuration: read, overridden, and refused with the way out."""

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
        ("[node]\nroles = []\n", "node.roles"),
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
