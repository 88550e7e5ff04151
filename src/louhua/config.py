"""The configuration: one TOML file, every key overridable by the environment, checked at start.

``LOUHUA_SIP__LISTEN=0.0.0.0:5060`` overrides ``listen`` under ``[sip]``; lists and tables are JSON
(``LOUHUA_SMSC='[{"name": "a", …}]'``). Unknown keys are errors, so that no typing mistake passes silently.
"""

import ipaddress
import os
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from louhua.creditors import Charging
from louhua.durations import Duration
from louhua.hours import NEVER, HoursOfDay
from louhua.informants import Api, Registrar
from louhua.mistakes import all_in_words
from louhua.section import Address, Section, networks

Role = Literal["call", "alert", "web"]
NumberSource = Literal["diversion", "history-info", "p-called-party-id", "to", "request-uri"]
TreatmentName = Literal["release", "announce", "menu"]


_PREFIX: Final = "LOUHUA_"

_REFUSAL: Final = (
    r"^(0x[0-9A-Fa-f]{1,8}|[0-9]{1,3}:[0-9]{1,5}|err:[!-~]{1,60}|expired|deleted|undeliverable|rejected)$"
)
"""A command_status, a network_error_code, what stands after ``err:`` in a receipt, or a receipt's state."""


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` has a line for each mistake, with the way out."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def split_address(address: str) -> tuple[str, int]:
    """``"127.0.0.1:5060"`` as ``("127.0.0.1", 5060)``."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def _is_elsewhere(host: str) -> bool:
    """Whether a host is one address that other machines can reach."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_loopback and not address.is_unspecified


class Node(Section):
    """This machine."""

    name: str = Field(default="louhua", pattern=r"^[A-Za-z0-9_-]{1,40}$")
    data: Path = Path("var")
    roles: tuple[Role, ...] = Field(default=("call", "alert", "web"), min_length=1)
    drain_limit: Duration = timedelta(seconds=60)
    """How long a stopping node lets live calls end."""


class Service(Section):
    """The service as its users know it."""

    country: str = Field(default="CN", pattern=r"^[A-Z]{2}$")
    language: Literal["zh-hans", "en"] = "zh-hans"
    timezone: str = "Asia/Shanghai"
    access_number: str = Field(default="06001", pattern=r"^[0-9]{3,20}$")
    enquiry_number: str = Field(default="12599", pattern=r"^[0-9]{3,20}$")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not a time zone; write it like Asia/Shanghai")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.timezone)


class Database(Section):
    """PostgreSQL: ``embedded``, or a URL."""

    url: str = Field(default="embedded", pattern=r"^(embedded|postgres(ql)?://.+)$")


class Nats(Section):
    """NATS: ``embedded``, or URLs separated by commas. ``replicas`` is 3 in a cluster."""

    url: str = Field(default="embedded", pattern=r"^(embedded|(nats|tls)://.+)$")
    replicas: int = Field(default=1, ge=1, le=5)


class Trunk(Section):
    """A SIP peer, or several alike, and how it behaves; the first whose peers match a source is used."""

    name: str
    peers: tuple[str, ...] = Field(min_length=1)
    called_from: tuple[NumberSource, ...] = (
        "diversion", "history-info", "p-called-party-id", "to", "request-uri",
    )  # fmt: skip
    called_prefix: str = Field(default="", pattern=r"^[0-9]*$")
    """Digits before the callee's number in the Request-URI or To (prefix + number)."""
    latch: bool = False
    diversion: Literal["first", "last"] = "first"
    answer: Literal["connect", "early-media"] = "connect"
    treatments: dict[Literal["unreachable", "no-answer", "busy", "unconditional", "deflection", "unknown"],
                     TreatmentName] = Field(default_factory=dict)  # fmt: skip
    """What callers get for each reason; what is not named keeps its default."""
    release_code: int = Field(default=480, ge=400, le=699)
    """Final response of the treatment ``release``."""

    @field_validator("peers")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return networks(value)


class Sip(Section):
    """SIP and RTP of this node."""

    listen: Address = "127.0.0.1:5060"
    media_address: str = "127.0.0.1"
    media_ports: str = Field(default="20000-29999", pattern=r"^\d+-\d+$")
    media_processes: int = Field(default=1, ge=1, le=64)
    max_calls: int = Field(default=1500, ge=1)
    """Calls at once; above it new ones are answered 503 with Retry-After."""
    longest_call: Duration = timedelta(minutes=10)
    trunks: tuple[Trunk, ...] = ()

    @property
    def port_range(self) -> tuple[int, int]:
        """First and last RTP port."""
        first, _, last = self.media_ports.partition("-")
        return int(first), int(last)

    @model_validator(mode="after")
    def _ports_make_sense(self) -> Self:
        first, last = self.port_range
        if not 1024 <= first < last <= 65535:
            raise ValueError(f"media_ports {self.media_ports!r}: write a range within 1024-65535")
        names = [trunk.name for trunk in self.trunks]
        if len(names) != len(set(names)):
            raise ValueError("two trunks have the same name; give each its own")
        return self

    @model_validator(mode="after")
    def _callers_can_reach_us(self) -> Self:
        """SIP and RTP are IPv4; what the answer names must be reachable where calls come from."""
        host, port = split_address(self.listen)
        if ":" in host:
            raise ValueError(f"listen {self.listen!r}: SIP is spoken over IPv4 only; write it like 0.0.0.0:5060")
        try:
            media = ipaddress.IPv4Address(self.media_address)
        except ValueError:
            raise ValueError(
                f"media_address {self.media_address!r}: write an IPv4 address of this machine"
            ) from None
        if media.is_unspecified:
            raise ValueError("media_address 0.0.0.0: callers send their voice there; name this machine's address")
        if media.is_loopback and _is_elsewhere(host):
            raise ValueError(f"media_address {media}: callers of {host} cannot reach it; set it to {host}")
        first, last = self.port_range
        if first <= port <= last:
            raise ValueError(f"listen {self.listen!r}: the port is one of media_ports; move one of them")
        return self


class Smsc(Section):
    """A short message centre and how we bind to it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    protocol: Literal["smpp"] = "smpp"
    host: str
    port: int = Field(ge=1, le=65535)
    system_id: str = Field(max_length=15)
    password: str = Field(default="", max_length=8, repr=False)
    system_type: str = Field(default="", max_length=12)
    bind: Literal["transceiver", "transmitter-receiver"] = "transceiver"
    connections: int = Field(default=1, ge=1, le=32)
    window: int = Field(default=100, ge=1, le=10000)
    rate: float = Field(default=100, ge=0)
    """Messages a second and connection; 0 is without limit."""
    reachability: Literal["probe", "set_dpf", "none"] = "probe"
    probe_rate: int = Field(default=0, ge=0)
    """Probes a second of all nodes together; 0 is as many as the SMSC takes."""
    receipt_ids: Literal["as-is", "hex", "decimal"] = "as-is"
    """How ids stand in receipts, where that differs from the submit response."""
    tls: bool = False
    enquire_link: Duration = timedelta(seconds=30)
    response_timeout: Duration = timedelta(seconds=10)
    retry: dict[
        Annotated[str, Field(pattern=_REFUSAL)], Literal["later", "elsewhere", "wait", "final"]
    ] = Field(default_factory=dict)  # fmt: skip
    """What to do after a refusal or a failed delivery, where this SMSC means another thing than most."""

    @field_validator("retry")
    @classmethod
    def _possible(cls, value: dict[str, str]) -> dict[str, str]:
        for key, action in value.items():
            if action == "elsewhere" and not key.startswith("0x"):
                raise ValueError(f"{key}: this SMSC had the text; write later, wait or final")
        return value


class NumberRange(Section):
    """Numbers that begin alike: whether they are served, and how they are reached; the longest prefix decides.

    Without any range everybody is served; with one, nobody outside the served ranges is.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    prefixes: tuple[Annotated[str, Field(pattern=r"^[0-9]{1,20}$")], ...] = Field(min_length=1)
    """Canonical, as 86138; without plus sign."""
    served: bool = True
    """Whether calls to these numbers make alerts."""
    smsc: tuple[str, ...] = Field(default=(), max_length=8)
    """Names of the SMSCs for texts to these numbers: the first that is up; empty: whichever has room."""
    reachability: tuple[str, ...] = ()
    """Who is asked whether these phones are back, the next where the one before cannot tell: ``probe`` or the name
    of a registrar. Empty: what the SMSC's own ``reachability`` says."""


class Texts(Section):
    """The outbox."""

    backup_after: Duration = timedelta(seconds=30)
    """An SMSC without any connection for so long leaves its texts to the next one of the range."""


class Alerts(Section):
    """When alerts are sent."""

    quiet_time: Duration = timedelta(seconds=30)
    watch_limit: Duration = timedelta(hours=72)
    when_watch_ends: Literal["send", "drop"] = "send"
    probe_hold_off: Duration = timedelta(seconds=100)
    """From the call to the first probe: a phone out of cover is often back at once."""
    probes_per_day: int = Field(default=24, ge=1, le=1000)
    """Probes a number and day at most."""
    enquiry_window: Duration = timedelta(hours=24)
    """How long D answers a teaser, which names it in whole hours."""
    enquiry_days: int = Field(default=7, ge=0, le=31)
    """D followed by a number of days brings the calls of so many days at most; 0 is not at all."""
    first: Literal["caller", "callee"] = "caller"
    """Whose service speaks when both are registered and the phone is off (主叫优先)."""
    texts_abroad: bool = False
    """Whether numbers of other countries can get texts."""
    ask_mobile: bool = False
    """Whether a caller who cannot get a text is asked for a mobile number to be told of power-on."""
    missed_after_message: bool = False
    """Whether a callee is told of calls missed from somebody who left a message within a day."""
    quiet_hours: HoursOfDay = NEVER
    """Hours in which nobody gets a text that he did not just ask for, unless his own say otherwise."""
    daily_limit: int = Field(default=20, ge=0, le=1000)
    """Texts a person and day; what is beyond comes in one digest the next day. 0 is without limit."""
    sender: Literal["service", "caller"] = "service"
    """Whose number a text about one caller comes from."""
    opt_out: bool = False
    """Whether texts nobody asked for say how to end the service."""

    @field_validator("enquiry_window")
    @classmethod
    def _in_hours(cls, value: timedelta) -> timedelta:
        if not value or value % timedelta(hours=1):
            raise ValueError("the teaser names it in whole hours; write it like 24h")
        return value


_KEPT_ON_THE_BUS: Final = timedelta(days=8)
"""An event may come again for seven days; who forgets its record sooner would count it twice."""


class Retention(Section):
    """How long records are kept after they are finished. What is open is kept however old it is."""

    calls: Duration = timedelta(days=150)
    """Whole days (UTC), since the call began."""
    alerts: Duration = timedelta(days=60)
    """Since their last change."""
    texts: Duration = timedelta(days=30)
    """With their parts and receipts, since their last receipt; probes are texts, too."""
    messages: Duration = timedelta(days=30)
    """Recorded messages and their sound, since they were left."""
    inbound: Duration = timedelta(days=30)
    """That a phone texted us, and which keyword."""
    help: Duration = timedelta(days=1)
    """That somebody got the help text."""
    orphans: Duration = timedelta(days=7)
    """Receipts of messages that were never ours."""
    charges: Duration = timedelta(days=366)
    """Rows of the ledger; those that stand in no file of charges yet are kept."""

    @field_validator("*")
    @classmethod
    def _a_day_at_least(cls, value: timedelta) -> timedelta:
        if value < timedelta(days=1):
            raise ValueError("records are kept for a day at least (1d) and a year at most (366d)")
        return value

    @field_validator("calls", "alerts", "inbound", "charges")
    @classmethod
    def _longer_than_the_bus(cls, value: timedelta) -> timedelta:
        if value < _KEPT_ON_THE_BUS:
            raise ValueError(
                "NATS keeps events for seven days, and one that comes again must be known: 8d at least"
            )
        return value

    @model_validator(mode="after")
    def _calls_explain_alerts(self) -> Self:
        if self.alerts > self.calls:
            raise ValueError("alerts are explained by their calls: keep calls as long as alerts, at least")
        return self


class Web(Section):
    """HTTP: the console, and health and metrics of every node. ``hosts`` are the names it is served under."""

    listen: Address = "127.0.0.1:8000"
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Whose word is taken for who calls, and whether over TLS (X-Forwarded-For, X-Forwarded-Proto)."""
    secret: str = Field(default="", repr=False)
    """Signs logins: the same on every web node. Empty: each has its own, in its data directory."""

    @field_validator("proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return networks(value)

    @field_validator("secret")
    @classmethod
    def _long(cls, value: str) -> str:
        if value and len(value) < 32:
            raise ValueError("32 characters at least; make one with: openssl rand -base64 48")
        return value


class Config(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    node: Node = Node()
    service: Service = Service()
    database: Database = Database()
    nats: Nats = Nats()
    sip: Sip = Sip()
    smsc: tuple[Smsc, ...] = ()
    ranges: tuple[NumberRange, ...] = ()
    texts: Texts = Texts()
    registrars: tuple[Registrar, ...] = ()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()
    web: Web = Web()
    api: Api = Api()
    charging: Charging = Charging()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file (whose content is the arguments)."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [smsc.name for smsc in self.smsc]
        if len(names) != len(set(names)):
            raise ValueError("two [[smsc]] have the same name; give each its own")
        return self

    @model_validator(mode="after")
    def _ranges_make_sense(self) -> Self:
        known = {smsc.name for smsc in self.smsc}
        owners: dict[str, str] = {}
        for given in self.ranges:
            if missing := set(given.smsc) - known:
                raise ValueError(f"ranges {given.name}: no [[smsc]] is named {sorted(missing)[0]!r}")
            if len(given.smsc) != len(set(given.smsc)):
                raise ValueError(f"ranges {given.name}: an SMSC is named twice; once is enough")
            for prefix in given.prefixes:
                if prefix in owners:
                    raise ValueError(f"ranges {given.name}: {prefix} is a prefix of {owners[prefix]}, too")
                owners[prefix] = given.name
        return self

    @model_validator(mode="after")
    def _sources_make_sense(self) -> Self:
        names = [registrar.name for registrar in self.registrars]
        if len(names) != len(set(names)):
            raise ValueError("two [[registrars]] have the same name; give each its own")
        listens = [registrar.listen for registrar in self.registrars]
        if len(listens) != len(set(listens)):
            raise ValueError("two [[registrars]] listen on the same port; give each its own")
        for given in self.ranges:
            if missing := [name for name in given.reachability if name not in ("probe", *names)]:
                raise ValueError(
                    f"ranges {given.name}: reachability {missing[0]!r}: write probe or the name of a registrar"
                )
            if len(given.reachability) != len(set(given.reachability)):
                raise ValueError(f"ranges {given.name}: reachability names a source twice")
        return self


CONFIG_VARIABLE: Final = "LOUHUA_CONFIG"
"""Environment variable that names the file for child processes."""


def load(path: Path | None) -> Config:
    """Read and check the file (or only defaults and environment when ``path`` is ``None``).

    Raises ``ConfigError`` that names every wrong key.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror}; name an existing file with --config"]) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([f"{path}: not TOML: {error}"]) from error
    if unknown := _unknown_variables():
        raise ConfigError(unknown)
    try:
        return Config(**values)
    except ValidationError as error:
        raise ConfigError(all_in_words(error.errors())) from None
    except SettingsError as error:
        raise ConfigError([_describe_variable(str(error))]) from None


def _unknown_variables() -> list[str]:
    """Variables that are meant for us and name no section."""
    sections = {name.upper() for name in Config.model_fields}
    ours = (name for name in sorted(os.environ) if name.startswith(_PREFIX) and name != CONFIG_VARIABLE)
    return [
        f"{name}: there is no such section; the sections are {', '.join(sorted(sections)).lower()}"
        for name in ours
        if name.removeprefix(_PREFIX).partition("__")[0].upper() not in sections
    ]


def _describe_variable(error: str) -> str:
    """What pydantic-settings says of a variable that it cannot read, with the way out."""
    field = error.partition('field "')[2].partition('"')[0].upper()
    return (
        f"{_PREFIX}{field}…: cannot be read; lists and tables are written as JSON,"
        """ e.g. LOUHUA_NODE__ROLES='["call", "alert"]'"""
    )


_current: list[Config] = []


def set_current(config: Config) -> None:
    """Make ``config`` the one that Django's settings are made from in this process."""
    _current[:] = [config]


def current() -> Config:
    """The configuration of this process: the one set, else that of the environment."""
    if not _current:
        set_current(load_from_environment())
    return _current[0]


def load_from_environment() -> Config:
    """The configuration of a child process, whose parent named the file in ``LOUHUA_CONFIG``."""
    path = os.environ.get(CONFIG_VARIABLE)
    return load(Path(path) if path else None)
