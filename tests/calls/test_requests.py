"""Requests as they come over the wire: those that are no calls, those that are refused, and junk."""

import socket
import uuid
from collections.abc import Iterator

import pytest
from tests.calls.conftest import Server
from tests.calls.sipp.scenario import DIVERSION, SDP, Scenario

SESSION = SDP.replace("[local_ip]", "127.0.0.1").replace("[media_ip]", "127.0.0.1").replace("[media_port]", "9")
BROKEN = "Diversion: <sip:13800138006@ims>"
RELEASED = "Diversion: <sip:13800138001@ims>;reason=user-busy"


class Peer:
    """A socket that speaks just as much SIP as it is told to."""

    def __init__(self, server: Server, source: str = "127.0.0.1") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((source, 0))
        self._socket.connect(("127.0.0.1", server.port))
        self._socket.settimeout(5)
        self.host, self.port = self._socket.getsockname()
        self.call_id = uuid.uuid4().hex

    def send(self, data: str | bytes) -> None:
        self._socket.send(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())

    def request(self, method: str, *headers: str, body: str = "", **fields: str) -> None:
        """Send a request; ``fields`` replace the usual values of Via, From, To, Call-ID, CSeq and the URI."""
        usual = {
            "uri": "sip:06001@127.0.0.1",
            "via": f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{uuid.uuid4().hex}",
            "sender": "<sip:13900139000@ims>;tag=1",
            "to": "<sip:06001@127.0.0.1>",
            "call_id": self.call_id,
            "cseq": f"1 {method}",
        } | fields
        lines = [
            f"{method} {usual['uri']} SIP/2.0",
            f"Via: {usual['via']}",
            f"From: {usual['sender']}",
            f"To: {usual['to']}",
            f"Call-ID: {usual['call_id']}",
            f"CSeq: {usual['cseq']}",
            *headers,
            f"Content-Length: {len(body.replace(chr(10), chr(13) + chr(10)))}",
            "",
            body,
        ]
        self.send("\n".join(lines))

    def invite(self, *headers: str, body: str = SESSION, **fields: str) -> None:
        kinds = (
            [] if any(h.lower().startswith("content-type") for h in headers) else ["Content-Type: application/sdp"]
        )
        contact = [] if any(h.lower().startswith("contact") for h in headers) else [self.contact]
        self.request("INVITE", *headers, *(kinds if body else []), *contact, body=body, **fields)

    @property
    def contact(self) -> str:
        return f"Contact: <sip:caller@{self.host}:{self.port}>"

    def response(self) -> str:
        """The next response that is final."""
        while True:
            text = self._socket.recv(65535).decode()
            if not text.startswith("SIP/2.0 1"):
                return text

    def close(self) -> None:
        self._socket.close()


def code(response: str) -> int:
    return int(response.split()[1])


def confirm(peer: Peer, answer: str) -> str:
    """Send the ACK of a 200; the To of the dialogue."""
    assert code(answer) == 200
    to = next(line for line in answer.splitlines() if line.startswith("To: ")).removeprefix("To: ")
    peer.request("ACK", to=to, cseq="1 ACK")
    return to


@pytest.fixture
def peer(server: Server) -> Iterator[Peer]:
    peer = Peer(server)
    yield peer
    peer.close()


@pytest.fixture
def moved(server: Server) -> Iterator[Peer]:
    peer = Peer(server)
    yield peer
    peer.close()


@pytest.fixture
def stranger(server: Server) -> Iterator[Peer]:
    peer = Peer(server, "127.0.0.9")
    yield peer
    peer.close()


def test_options_outside_a_dialogue(peer: Peer) -> None:
    peer.request("OPTIONS")
    response = peer.response()
    assert code(response) == 200
    assert "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK\r\n" in response
    assert "Supported: 100rel\r\n" in response


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "BYE"])
def test_whoever_belongs_to_no_trunk_is_refused(server: Server, stranger: Peer, method: str) -> None:
    stranger.request(method, DIVERSION, stranger.contact)
    assert code(stranger.response()) == 403
    assert "calls.unknown_peer" in server.log()


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("BYE", 481),
        ("REGISTER", 405),
        ("SUBSCRIBE", 405),
        ("MESSAGE", 405),
        ("UPDATE", 405),
        ("FROBNICATE", 501),
    ],
)
def test_methods_that_we_do_not_take(peer: Peer, method: str, expected: int) -> None:
    peer.request(method)
    response = peer.response()
    assert code(response) == expected
    assert ("Allow: INVITE" in response) is (expected != 481)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "OPTIONS", "PRACK", "CANCEL"])
def test_dialogues_that_do_not_exist(peer: Peer, method: str) -> None:
    peer.request(method, peer.contact, to="<sip:06001@127.0.0.1>;tag=gone")
    assert code(peer.response()) == 481


@pytest.mark.parametrize(
    ("headers", "expected", "says"),
    [
        (["Max-Forwards: 0"], 483, ""),
        (["Max-Forwards: many"], 400, ""),
        (["Require: precondition, 100rel, timer"], 420, "Unsupported: precondition, timer\r\n"),
        (["Contact: *"], 400, ""),
        (["Contact: <sip:a@h>, <sip:b@h>"], 400, ""),
        (["Contact: <nonsense"], 400, ""),
        (["Content-Type: text/plain"], 415, "Accept: application/sdp"),
    ],
)
def test_headers_that_stand_against_a_call(peer: Peer, headers: list[str], expected: int, says: str) -> None:
    peer.invite(DIVERSION, *headers)
    response = peer.response()
    assert code(response) == expected
    assert says in response


@pytest.mark.parametrize(
    "body",
    [
        SESSION.replace("RTP/AVP", "RTP/SAVP"),
        SESSION.replace("0 8 101", "18"),
        SESSION.replace("m=audio 9", "m=audio 0"),
        "v=0\nnonsense",
    ],
)
def test_sessions_that_do_not_fit(peer: Peer, body: str) -> None:
    peer.invite(DIVERSION, body=body)
    assert code(peer.response()) == 488


def test_a_call_for_nobody(server: Server, peer: Peer) -> None:
    peer.invite("Diversion: <sip:06001@louhua>;reason=unconditional")
    assert code(peer.response()) == 404
    assert "calls.no_callee" in server.log()


def test_the_same_call_by_two_ways(peer: Peer) -> None:
    patient = "Diversion: <sip:13800138005@ims>"
    peer.invite(patient)
    peer.invite(patient)
    assert code(peer.response()) == 482


def test_a_retransmitted_invite_is_one_call(server: Server, peer: Peer) -> None:
    via = f"SIP/2.0/UDP {peer.host}:{peer.port};branch=z9hG4bKsame{peer.call_id}"
    for _ in range(3):
        peer.invite(RELEASED, via=via)
    assert [code(peer.response()) for _ in range(3)] == [486, 486, 486]
    server.wait("ended")
    assert not [entry for entry in server.news if entry["news"] == "ended"]


def test_a_session_inside_multipart(server: Server, peer: Peer) -> None:
    parts = ("Content-Type: application/isup\n\nx", f"Content-Type: application/sdp\n\n{SESSION}")
    body = "".join(f"--edge\n{part}\n" for part in parts) + "--edge--\n"
    peer.invite(RELEASED, 'Content-Type: multipart/mixed; boundary="edge"', body=body)
    assert code(peer.response()) == 486
    server.wait("ended")


@pytest.mark.parametrize(
    ("sender", "in_response"),
    [
        ("tel:+8613900139000;tag=1", "From: <tel:+8613900139000>;tag=1\r\n"),
        ("<tel:+8613900139000;phone-context=+86>;tag=1", "From: <tel:+8613900139000;phone-context=+86>;tag=1\r\n"),
    ],
)
def test_tel_addresses_come_back_as_they_went(server: Server, peer: Peer, sender: str, in_response: str) -> None:
    peer.invite(RELEASED, sender=sender)
    response = peer.response()
    assert code(response) == 486
    assert in_response in response
    assert server.wait("ended")["event"]["caller"] == "8613900139000"


def test_a_name_that_is_not_utf_8(server: Server, peer: Peer) -> None:
    request = (
        "INVITE sip:06001@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {peer.host}:{peer.port};branch=z9hG4bKgbk{peer.call_id}\r\n"
        'From: "漏话" <sip:13900139000@ims>;tag=1\r\nTo: <sip:06001@127.0.0.1>\r\n'
        f"Call-ID: {peer.call_id}\r\nCSeq: 1 INVITE\r\n{peer.contact}\r\n{RELEASED}\r\nContent-Length: 0\r\n\r\n"
    )
    peer.send(request.encode("gbk"))
    assert code(peer.response()) == 486
    server.wait("ended")


def raw_invite(peer: Peer, name: bytes, body: bytes) -> bytes:
    head = (
        "INVITE sip:06001@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {peer.host}:{peer.port};branch=z9hG4bKraw{peer.call_id}\r\n"
        f'From: "NAME" <sip:13900139000@ims>;tag=1\r\nTo: <sip:06001@127.0.0.1>\r\n'
        f"Call-ID: {peer.call_id}\r\nCSeq: 1 INVITE\r\n{peer.contact}\r\n{RELEASED}\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode().replace(b"NAME", name) + body


def test_a_name_that_was_cut_within_a_character(server: Server, peer: Peer) -> None:
    """UTF-8 of 公 has an octet that ends a line in Latin-1, which is how a name that is not UTF-8 is read."""
    peer.send(raw_invite(peer, "漏话公司".encode()[:-1], SESSION.replace("\n", "\r\n").encode()))
    assert code(peer.response()) == 486
    server.wait("ended")


def test_a_session_named_in_chinese(server: Server, peer: Peer) -> None:
    """Content-Length counts octets (RFC 3261, section 20.14)."""
    peer.send(raw_invite(peer, b"x", SESSION.replace("s=-", "s=漏话").replace("\n", "\r\n").encode()))
    assert code(peer.response()) == 486
    server.wait("ended")


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": "<tel:+8613900139000;npdi;cpc=ordinary>;tag=1"},
        {"to": "<tel:+8606001;npdi>"},
        {"uri": "tel:+8606001;npdi;rn=+8610"},
    ],
)
def test_tel_parameters_without_a_value(server: Server, peer: Peer, fields: dict[str, str]) -> None:
    peer.invite(RELEASED, **fields)
    assert code(peer.response()) == 486
    assert server.wait("ended")["event"]["caller"] == "8613900139000"


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        (["Expires: soon"], {}),
        (["no header at all"], {}),
        (["Call-ID: another"], {}),
        (["Record-Route: nonsense"], {}),
        (["Contact: <tel:+8613900139000>"], {}),
        ([], {"to": "<nonsense"}),
        ([], {"sender": '"a" sip:1@h;tag=1'}),
        ([], {"sender": "<sip:1@h:xx>;tag=1"}),
        ([], {"cseq": "x INVITE"}),
        ([], {"uri": "urn:service:sos"}),
        ([], {"uri": "sip:06001@h;ttl=x"}),
    ],
)
def test_what_cannot_be_read_is_refused_at_once(peer: Peer, headers: list[str], fields: dict[str, str]) -> None:
    peer.invite(DIVERSION, *headers, **fields)
    response = peer.response()
    assert code(response) == 400
    assert f"Call-ID: {peer.call_id}\r\n" in response
    assert ";tag=" in response.partition("\r\nTo: ")[2].partition("\r\n")[0]


@pytest.mark.parametrize("junk", [b"INVITE sip:x SIP/2.0\r\nVia: y\r\nCSeq: z INVITE\r\n\r\n" + b" " * 40])
def test_strangers_get_no_answer_to_junk(stranger: Peer, junk: bytes) -> None:
    stranger.send(junk)
    stranger.request("OPTIONS")
    assert code(stranger.response()) == 403


@pytest.mark.parametrize(
    "junk",
    [
        b"\r\n\r\n",
        b"\x00" * 100,
        bytes(range(256)) * 4,
        b"INVITE sip:x SIP/2.0\r\n" + b"a" * 200 + b"\r\n\r\n",
        b"INVITE sip:06001@h SIP/2.0\r\nVia: x\r\nFrom: y\r\nTo: z\r\nCSeq: w\r\nCall-ID: v\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 INVITE\r\n\r\n" + b" " * 40,
        b"SIP/2.0 9999 ?\r\n" + b"x: y\r\n" * 20,
        b"INVITE " * 9000,
    ],
)
def test_junk_harms_nothing(server: Server, peer: Peer, junk: bytes) -> None:
    peer.send(junk)
    peer.request("OPTIONS", call_id=uuid.uuid4().hex)
    responses = [peer.response()]
    while "CSeq: 1 OPTIONS" not in responses[-1]:
        responses.append(peer.response())
    assert code(responses[-1]) == 200
    assert server.process.poll() is None


def test_no_number_of_a_junk_message_reaches_the_log(server: Server, peer: Peer) -> None:
    peer.send("INVITE sip:13812345678@h SIP/2.0\nVia: 13812345678\nFrom: 13812345678\n\n" + "x" * 40)
    peer.request("OPTIONS", call_id=uuid.uuid4().hex)
    peer.response()
    assert "13812345678" not in server.log()


def test_a_caller_known_by_name_gets_our_bye(server: Server, peer: Peer) -> None:
    peer.invite(BROKEN, f"Contact: <sip:caller@localhost:{peer.port}>")
    confirm(peer, peer.response())
    bye = peer.response()
    assert bye.startswith(f"BYE sip:caller@localhost:{peer.port} SIP/2.0\r\n")
    server.wait("ended")


@pytest.mark.parametrize("transport", ["UDP", "tcp", "udp"])
def test_a_contact_that_names_a_transport_gets_our_bye(server: Server, peer: Peer, transport: str) -> None:
    """There is UDP only, whatever a Contact says; sippy raises for everything but ``udp``."""
    peer.invite(BROKEN, f"Contact: <sip:caller@127.0.0.1:{peer.port};transport={transport}>")
    confirm(peer, peer.response())
    assert peer.response().startswith(f"BYE sip:caller@127.0.0.1:{peer.port};transport={transport} SIP/2.0\r\n")
    server.wait("ended")


def test_our_bye_goes_where_the_last_change_says(server: Server, peer: Peer, moved: Peer) -> None:
    """A re-INVITE refreshes the remote target (RFC 3261, section 12.2.2)."""
    peer.invite("Diversion: <sip:13800138000@ims>")
    answer = peer.response()
    to = confirm(peer, answer)
    peer.invite(f"Contact: <sip:moved@127.0.0.1:{moved.port}>", to=to, cseq="2 INVITE")
    assert code(peer.response()) == 200
    peer.request("ACK", to=to, cseq="2 ACK")
    assert moved.response().startswith(f"BYE sip:moved@127.0.0.1:{moved.port} SIP/2.0\r\n")
    server.wait("ended")


def test_within_a_call(server: Server) -> None:
    scenario = Scenario().invite("Diversion: <sip:13800138004@ims>").ringing().expect(200).ack()
    scenario.request("OPTIONS").expect(200, has=[("Allow", "INFO")])
    scenario.request("UPDATE").expect(405, has=[("Allow", "INFO")])
    scenario.request("REFER", "Refer-To: <sip:1@h>").expect(405)
    scenario.request("FROBNICATE").expect(501)
    scenario.request("PRACK", "RAck: 1 1 INVITE").expect(481)
    scenario.request("INFO", body="x", body_type="text/plain").expect(415, has=[("Accept", "dtmf-relay")])
    scenario.request("INFO").expect(200)
    scenario.request("OPTIONS", cseq=1).expect(500)
    caller = server.call(scenario.bye().request("INFO").expect(481))
    caller.finish()
    assert server.ended(caller)["outcome"] == "abandoned"
