"""What the sandbox's SMSC answers to a request; pure. Times are seconds since the epoch."""

from collections.abc import Callable
from typing import Any, Final

from louhua.sandbox.handsets import Effect, Handsets
from louhua.sandbox.smsc_pdus import query_answer, read_message, read_time
from louhua.texts.smpp.addresses import to_number
from louhua.texts.smpp.codec import RESPONSES
from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.pdu import (
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    Pdu,
    QuerySm,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
    SubmitSmResp,
)
from louhua.texts.smpp.status import Status

_Answer = tuple[Pdu, list[Effect]]


class Desk:
    """Takes the requests of all systems; message ids count up from ``first_id``."""

    def __init__(self, handsets: Handsets, first_id: int) -> None:
        self._handsets = handsets
        self._ids = first_id

    def answer(self, pdu: Pdu, system_id: str, now: float) -> _Answer:
        """The response, and what happens because of the request."""
        try:
            return _ANSWERS[pdu.__class__](self, pdu, system_id, now)
        except PduError as error:
            return RESPONSES[pdu.__class__](pdu.sequence, error.status), []

    def _submit(self, pdu: SubmitSm | DataSm, system_id: str, now: float) -> _Answer:
        self._ids += 1
        message = read_message(pdu, str(self._ids), system_id, now)
        response = SubmitSmResp if isinstance(pdu, SubmitSm) else DataSmResp
        return response(pdu.sequence, 0, message.id), self._handsets.submit(message, now)

    def _query(self, pdu: QuerySm, _: str, __: float) -> _Answer:
        return query_answer(pdu, self._handsets.query(pdu.message_id)), []

    def _cancel(self, pdu: CancelSm, system_id: str, now: float) -> _Answer:
        """By id, or with an empty id everything that waits between two numbers (section 4.9.1)."""
        ids = [pdu.message_id] if pdu.message_id else self._between(pdu)
        effects: list[Effect] = []
        for message_id in ids:
            record = self._handsets.query(message_id)
            mine = record is not None and record.message.owner == system_id
            done = self._handsets.cancel(message_id, now) if mine else None
            if done is None:
                return CancelSmResp(pdu.sequence, Status.ESME_RCANCELFAIL), effects
            effects += done
        return CancelSmResp(pdu.sequence), effects

    def _between(self, pdu: CancelSm) -> list[str]:
        sender = to_number(pdu.source_addr_ton, pdu.source_addr)
        return self._handsets.waiting_between(sender, to_number(pdu.dest_addr_ton, pdu.destination_addr))

    def _replace(self, pdu: ReplaceSm, system_id: str, now: float) -> _Answer:
        expiry = read_time(pdu.validity_period, now)
        record = self._handsets.query(pdu.message_id)
        mine = record is not None and record.message.owner == system_id
        done = mine and self._handsets.replace(pdu.message_id, pdu.short_message, pdu.registered_delivery, expiry)
        return ReplaceSmResp(pdu.sequence, 0 if done else Status.ESME_RREPLACEFAIL), []


_ANSWERS: Final[dict[type[Pdu], Callable[[Desk, Any, str, float], _Answer]]] = {
    SubmitSm: Desk._submit,
    DataSm: Desk._submit,
    QuerySm: Desk._query,
    CancelSm: Desk._cancel,
    ReplaceSm: Desk._replace,
}
