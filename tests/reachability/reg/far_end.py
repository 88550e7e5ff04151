"""A registrar without a network: answers the subscriber's requests and makes NOTIFYs."""

from louhua.informants import Registrar
from louhua.reachability.reg.rules import Answer
from louhua.reachability.reg.subscriber import Subscriber
from louhua.sip import Message, answer_to, parameter

NUMBER = "8613800138000"


def config(**changes: object) -> Registrar:
    """A registrar on loopback; keywords are its keys."""
    return Registrar.model_validate(
        {
            "address": "127.0.0.1:5060",
            "listen": "127.0.0.1:5070",
            "uri": "sip:+{number}@ims.example",
            "rate": 1000,
            **changes,
        }
    )


def body(state: str = "active", document: str = "full", version: int = 0) -> str:
    """A document about one registration."""
    contact = '<contact id="c" state="active" event="registered"/>' if state == "active" else ""
    return (
        f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="{version}" state="{document}">'
        f'<registration aor="sip:a@b" id="r" state="{state}">{contact}</registration></reginfo>'
    )


class FarEnd:
    """The subscriber with a clock, and its registrar's side of each dialog."""

    def __init__(self, **keys: object) -> None:
        self.now = 1000.0
        self.subscriber = Subscriber(config(**keys), spread=lambda: 0.0)
        self._cseq = 0

    def sent(self) -> list[Message]:
        """The requests since the last look."""
        self.subscriber.tick(self.now)
        messages = list(self.subscriber.outbox)
        self.subscriber.outbox.clear()
        return messages

    def later(self, seconds: float) -> list[Message]:
        """Let time pass; the requests of that time, each once."""
        return list({message.header("Via"): message for message in self.datagrams(seconds)}.values())

    def datagrams(self, seconds: float) -> list[Message]:
        """Let time pass, in steps as the adapter takes; everything that was sent in that time."""
        end = self.now + seconds
        messages = []
        while self.now < end:
            self.now = min(end, self.now + 0.05)
            messages += self.sent()
        return messages

    def subscribed(self, number: str = NUMBER) -> Message:
        """The SUBSCRIBE that begins about a number."""
        self.subscriber.subscribe(number)
        (request,) = self.sent()
        return request

    def answer(self, request: Message, status: int, **headers: object) -> None:
        """Answer a request; the To gets a tag."""
        plain = answer_to(request, status, "x")
        tagged = tuple(
            (name, value if name != "To" or "tag=" in value else f"{value};tag=far")
            for name, value in plain.headers
        )
        extra = tuple((name.replace("_", "-"), str(value)) for name, value in headers.items())
        self.subscriber.receive(Message(plain.start, (*tagged, *extra)), self.now)

    def accept(self, request: Message, expires: int = 600) -> None:
        """Answer 200."""
        self.answer(request, 200, Expires=expires, Contact="<sip:presence@10.0.0.9:5060>")

    def notify(
        self,
        request: Message,
        text: str = "",
        state: str = "active;expires=600",
        cseq: int | None = None,
        changes: dict[str, str] | None = None,
    ) -> int:
        """Notify in the dialog of a SUBSCRIBE; the status of the response."""
        self._cseq += 1
        headers = {
            "Via": "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKn",
            "From": f"{request.header('To').partition(';tag')[0]};tag=far",
            "To": request.header("From"),
            "Call-ID": request.header("Call-ID"),
            "CSeq": f"{cseq if cseq is not None else self._cseq} NOTIFY",
            "Contact": "<sip:presence@10.0.0.9:5060>",
            "Event": "reg",
            "Subscription-State": state,
            "Content-Type": "application/reginfo+xml",
            **(changes or {}),
        }
        message = Message("NOTIFY sip:louhua@127.0.0.1:5070 SIP/2.0", tuple(headers.items()), text)
        answer = self.subscriber.receive(message, self.now)
        assert answer is not None
        return answer.status

    def said(self) -> list[tuple[str, Answer, str]]:
        """What became known since the last look."""
        said = [(item.number, item.answer, item.detail) for item in self.subscriber.said]
        self.subscriber.said.clear()
        return said


def call_id(message: Message) -> str:
    """Which dialog a message belongs to."""
    return message.header("Call-ID")


def remote_tag(message: Message) -> str:
    """The tag of To."""
    return parameter(message.header("To"), "tag")
