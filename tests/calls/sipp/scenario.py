"""SIPp scenarios, put together from the steps of a caller.

Each step is a piece of SIPp's XML; a scenario is their list. The names are those of SIP: ``invite``, ``expect``
a response, ``await_request`` one of ours, and so on. Brackets in the texts are SIPp's own keywords.
"""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

SDP = """v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15"""

HOLD = SDP.replace("o=caller 1 1", "o=caller 1 2") + "\na=sendonly"
RESUME = SDP.replace("o=caller 1 1", "o=caller 1 3") + "\na=sendrecv"

DIVERSION = "Diversion: <sip:+8613800138000@ims;user=phone>;reason=unavailable;counter=1"
_FIRST_VIA = "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=z9hG4bK-first-[call_id]"
CALLER = "<sip:13900139000@[local_ip]:[local_port]>"
CALLEE = "<sip:06001@[remote_ip]:[remote_port]>"


class Scenario:
    """Steps of one caller."""

    def __init__(self, name: str = "a forwarded call") -> None:
        self._name = name
        self._steps: list[str] = []
        self._checks = 0
        self._cseq = 1

    def write(self, path: Path) -> Path:
        """Write SIPp's file."""
        checks = ",".join(str(number + 1) for number in range(self._checks))
        reference = f'<Reference variables="{checks}"/>' if checks else ""
        path.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
            f"<scenario name={quoteattr(self._name)}>\n{''.join(self._steps)}{reference}</scenario>\n"
        )
        return path

    def invite(
        self,
        *headers: str,
        sdp: str | None = SDP,
        uri: str = "sip:06001@[remote_ip]:[remote_port]",
        to: str = CALLEE,
        sender: str = CALLER,
        contact: bool = True,
        body_type: str = "application/sdp",
        retransmit: bool = True,
    ) -> "Scenario":
        """Call. Without other headers the call is diverted from 13800138000, unavailable."""
        lines = [
            f"INVITE {uri} SIP/2.0",
            _FIRST_VIA,
            f"From: {sender};tag=[pid]-[call_number]",
            f"To: {to}",
            "Call-ID: [call_id]",
            "CSeq: 1 INVITE",
            *(["Contact: <sip:caller@[local_ip]:[local_port]>"] if contact else []),
            *(headers or (DIVERSION,)),
        ]
        if not any(header.lower().startswith("max-forwards") for header in headers):
            lines.append("Max-Forwards: 70")
        return self._send(lines, sdp, body_type, attributes='retrans="500"' if retransmit else "")

    def request(
        self, method: str, *headers: str, body: str | None = None, body_type: str = "", cseq: int | None = None
    ) -> "Scenario":
        """A request within the dialogue."""
        if method not in {"ACK", "CANCEL"}:
            self._cseq += 1
        lines = [
            f"{method} [next_url] SIP/2.0",
            "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]",
            f"From: {CALLER};tag=[pid]-[call_number]",
            f"To: {CALLEE}[peer_tag_param]",
            "Call-ID: [call_id]",
            f"CSeq: {self._cseq if cseq is None else cseq} {method}",
            "Contact: <sip:caller@[local_ip]:[local_port]>",
            "Max-Forwards: 70",
            *headers,
        ]
        return self._send(lines, body, body_type, attributes='retrans="500"' if method != "ACK" else "")

    def ack(self, sdp: str | None = None) -> "Scenario":
        """Confirm a 200."""
        return self.request("ACK", body=sdp, body_type="application/sdp")

    def ack_refusal(self) -> "Scenario":
        """Confirm a final response that is no 200: in the transaction of the INVITE."""
        return self._raw(
            "<send><![CDATA[\nACK sip:06001@[remote_ip]:[remote_port] SIP/2.0\n"
            f"{_FIRST_VIA}\n[last_From:]\n"
            "[last_To:]\nCall-ID: [call_id]\nCSeq: 1 ACK\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n"
        )

    def ack_change(self) -> "Scenario":
        """Confirm a refused change."""
        return self.request("ACK")

    def cancel(self) -> "Scenario":
        """Cancel the INVITE."""
        return self._raw(
            "<send><![CDATA[\nCANCEL sip:06001@[remote_ip]:[remote_port] SIP/2.0\n"
            f"{_FIRST_VIA}\nFrom: {CALLER};tag=[pid]-[call_number]\nTo: {CALLEE}\n"
            "Call-ID: [call_id]\nCSeq: 1 CANCEL\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n"
        )

    def reinvite(self, sdp: str | None) -> "Scenario":
        """Change the session."""
        return self.request("INVITE", body=sdp, body_type="application/sdp")

    def info(self, key: str, body_type: str = "application/dtmf-relay") -> "Scenario":
        """Press a key by INFO."""
        body = f"Signal={key}\nDuration=160" if body_type.endswith("relay") else key
        return self.request("INFO", body=body, body_type=body_type).expect(200)

    def bye(self) -> "Scenario":
        """Hang up."""
        return self.request("BYE").expect(200)

    def speak(self) -> "Scenario":
        """Say something for eight seconds (PCMA)."""
        return self._raw(
            '<nop><action><exec play_pcap_audio="/usr/share/sip-tester/g711a.pcap"/></action></nop>\n'
        )

    def press(self, key: str) -> "Scenario":
        """Press a key in RTP (RFC 4733)."""
        name = {"#": "pound", "*": "star"}.get(key, key)
        file = f"/usr/share/sip-tester/dtmf_2833_{name}.pcap"
        return self._raw(f'<nop><action><exec play_pcap_audio="{file}"/></action></nop>\n')

    def expect(
        self, code: int, *, has: Iterable[tuple[str, str]] = (), optional: bool = False, limit_ms: int = 5000
    ) -> "Scenario":
        """A response; ``has`` are (header or ``body``, regular expression) that it must match."""
        attributes = 'optional="true"' if optional else f'timeout="{limit_ms}"'
        return self._raw(f'<recv response="{code}" rrs="true" {attributes}>{self._actions(has)}</recv>\n')

    def ringing(self) -> "Scenario":
        """100, which may come."""
        return self.expect(100, optional=True)

    def answered(self, *headers: str, has: Iterable[tuple[str, str]] = ()) -> "Scenario":
        """A call that is answered and confirmed."""
        return self.invite(*headers).ringing().expect(200, has=has).ack()

    def await_request(self, method: str, *, limit_ms: int = 10_000) -> "Scenario":
        """A request of the platform, answered with 200."""
        return self.await_silently(method, limit_ms=limit_ms).accept()

    def accept(self) -> "Scenario":
        """Answer the platform's request with 200."""
        return self._raw(
            "<send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n"
            "[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>\n"
        )

    def await_silently(self, method: str, *, limit_ms: int = 10_000) -> "Scenario":
        """A request of the platform that is not answered."""
        return self._raw(f'<recv request="{method}" timeout="{limit_ms}"/>\n')

    def pause(self, ms: int) -> "Scenario":
        """Wait."""
        return self._raw(f'<pause milliseconds="{ms}"/>\n')

    def _actions(self, has: Iterable[tuple[str, str]]) -> str:
        actions = ""
        for place, pattern in has:
            self._checks += 1
            where = 'search_in="body"' if place == "body" else f'search_in="hdr" header="{place}:"'
            actions += f'<ereg regexp={quoteattr(pattern)} {where} check_it="true" assign_to="{self._checks}"/>'
        return f"<action>{actions}</action>" if actions else ""

    def _send(self, lines: list[str], body: str | None, body_type: str, *, attributes: str) -> "Scenario":
        if body is None:
            lines = [*lines, "Content-Length: 0", "", ""]
        else:
            lines = [*lines, f"Content-Type: {body_type}", "Content-Length: [len]", "", body, ""]
        return self._raw(f"<send {attributes}><![CDATA[\n" + "\n".join(lines) + "\n]]></send>\n")

    def _raw(self, xml: str) -> "Scenario":
        self._steps.append(xml)
        return self
