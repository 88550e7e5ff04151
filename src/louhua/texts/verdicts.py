"""What the results of submits mean for the outbox; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from louhua.config import Smsc
from louhua.texts import limits
from louhua.texts.ladder import retry_after
from louhua.texts.limits import fitted
from louhua.texts.retries import Retries
from louhua.texts.routes import Routes
from louhua.texts.smpp.messages import SubmitResult
from louhua.texts.smpp.receipts import canonical_id
from louhua.texts.smpp.status import Outcome, Retry
from louhua.texts.store import Accepted, Failed, Postponed

_UNSENT_AGAIN: Final = timedelta(seconds=1)


class InHand(msgspec.Struct):
    """A claimed text: how many of its parts have no result yet, and the results so far."""

    id: int
    route: str
    attempts: int
    waiting: int
    results: list[SubmitResult]


class Verdict(msgspec.Struct):
    """What results mean for the outbox. A text whose outcome is unknown is left to its lease."""

    submitted: list[int]
    failed: list[Failed]
    postponed: list[Postponed]


def judge(done: Sequence[InHand], smsc: str, routes: Routes, retries: Retries, now: datetime) -> Verdict:
    """Sort texts of which every part has its result: the worst one decides."""
    verdict = Verdict([], [], [])
    for text in done:
        refused: dict[Retry, SubmitResult] = {}
        for result in text.results:
            if result.outcome not in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                refused[_retry(result, smsc, retries)] = result
        if any(result.outcome is Outcome.UNKNOWN for result in text.results):
            continue
        if refused:
            worst = next(retry for retry in _WORST_FIRST if retry in refused)
            _refuse(verdict, text, worst, refused[worst], routes.elsewhere(text.route, smsc), now)
        else:
            verdict.submitted.append(text.id)
    return verdict


_WORST_FIRST: Final = (Retry.FINAL, Retry.WAIT, Retry.ELSEWHERE, Retry.LATER)


def _retry(result: SubmitResult, smsc: str, retries: Retries) -> Retry:
    """What a refusal means; one without a status was never sent, or cannot be."""
    if result.status:
        return retries.refused(smsc, result.status)
    return Retry.LATER if result.outcome is Outcome.RETRY_LATER else Retry.FINAL


def _refuse(
    verdict: Verdict, text: InHand, retry: Retry, result: SubmitResult, elsewhere: str | None, now: datetime
) -> None:
    """Queue a text again, or give it up: here; alerts whose text may be tried once more have a new one."""
    detail = fitted(result.detail, limits.ERROR)
    wait = retry_after(text.attempts)
    if result.status is None and retry is Retry.LATER:
        verdict.postponed.append(Postponed(text.id, now + _UNSENT_AGAIN, text.route, detail, counts=False))
    elif retry is Retry.LATER and wait is not None:
        verdict.postponed.append(Postponed(text.id, now + wait, text.route, detail, counts=True))
    elif retry is Retry.ELSEWHERE and elsewhere is not None:
        verdict.postponed.append(Postponed(text.id, now, elsewhere, detail, counts=False))
    else:
        verdict.failed.append(Failed(text.id, detail, Retry.FINAL if retry is Retry.ELSEWHERE else retry))


def accepted(text_id: int, seq: int, result: SubmitResult, config: Smsc) -> Accepted:
    """A part that the SMSC took, with its id cut to what a column holds."""
    as_written = fitted(result.message_id, limits.MESSAGE_ID)
    return Accepted(text_id, seq, comparable(result.message_id, config), as_written)


def comparable(message_id: str, config: Smsc, *, receipt: bool = False) -> str:
    """An id of a response, or of a ``receipt``, in the form that is stored."""
    return fitted(canonical_id(message_id, config.receipt_ids, receipt=receipt), limits.MESSAGE_ID)
