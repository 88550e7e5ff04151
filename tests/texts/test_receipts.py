"""Which text a receipt is for, whatever ids and references the SMSC gives."""

from datetime import UTC, datetime

import pytest
from tests.texts.conftest import PHONE, Outbox, TellOutbox

from louhua.bus.events import ReceiptState, TextReceipt
from louhua.texts import receipts, store
from louhua.texts.retries import Retries
from louhua.texts.sender import LEASE

DELIVERED, UNDELIVERABLE = ReceiptState.DELIVERED, ReceiptState.UNDELIVERABLE


def receipt(message_id: str, reference: int | None = None, state: ReceiptState = DELIVERED) -> TextReceipt:
    return TextReceipt(
        id="", smsc="s", message_id=message_id, number=PHONE, state=state, reference=reference,
        at=datetime.now(UTC),
    )  # fmt: skip


async def apply(o: Outbox, *told: TextReceipt) -> None:
    async with o.pool.connection() as connection, connection.transaction():
        await receipts.apply_receipts(connection, told, datetime.now(UTC), Retries(()))


async def claimed(o: Outbox, *bodies: str) -> list[int]:
    """Texts that are being sent; their ids, which are their references too."""
    ids = await o.queue(*bodies)
    async with o.pool.connection() as connection:
        await store.claim(connection, ("", "s"), 100, datetime.now(UTC), LEASE)
    return ids


async def answered(o: Outbox, *parts: tuple[int, int, str]) -> None:
    """The SMSC took these parts: text, number, message id."""
    now = datetime.now(UTC)
    ids = list({text for text, _, _ in parts})
    async with o.pool.connection() as connection, connection.transaction():
        await receipts.take_turns(connection, ["s"])
        accepted = [store.Accepted(text, seq, name, name) for text, seq, name in parts]
        await store.add_parts(connection, "s", accepted)
        await store.mark_submitted(connection, "s", ids, now)
        await receipts.adopt_orphans(connection, "s", ids, now, Retries(()))


@pytest.mark.parametrize("constant", ["", "0", "42"])
def test_with_one_id_for_all_the_reference_decides(tell_outbox: TellOutbox, constant: str) -> None:
    async def story(o: Outbox) -> None:
        texts = await claimed(o, "a", "b", "c")
        await answered(o, *[(text, 0, constant) for text in texts])
        await apply(o, receipt(constant, texts[1]))
        assert await o.states() == ["submitted", "delivered", "submitted"]
        await apply(o, receipt(constant, texts[1]))
        assert await o.states() == ["submitted", "delivered", "submitted"], "it came twice"
        await apply(o, receipt(constant, texts[0]), receipt(constant, texts[2], UNDELIVERABLE))
        assert await o.states() == ["delivered", "delivered", "failed"]

    tell_outbox(story)


def test_with_one_id_for_all_and_no_reference_the_oldest_is_settled(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        texts = await claimed(o, "a", "b")
        await answered(o, *[(text, 0, "") for text in texts])
        await apply(o, receipt(""))
        assert await o.states() == ["delivered", "submitted"]
        await apply(o, receipt(""))
        assert await o.states() == ["delivered", "delivered"]

    tell_outbox(story)


@pytest.mark.parametrize("constant", ["", "0"])
def test_a_receipt_of_a_text_that_is_over_settles_no_other(tell_outbox: TellOutbox, constant: str) -> None:
    async def story(o: Outbox) -> None:
        (text,) = await claimed(o, "a")
        await answered(o, (text, 0, constant))
        await apply(o, receipt(constant, text + 1))
        assert await o.states() == ["submitted"]

    tell_outbox(story)


def test_a_reference_that_is_not_ours_leaves_the_id_to_decide(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        texts = await claimed(o, "a", "b")
        await answered(o, (texts[0], 0, "m1"), (texts[1], 0, "m2"))
        await apply(o, receipt("m2", 999))
        assert await o.states() == ["submitted", "delivered"]

    tell_outbox(story)


def test_a_reference_finds_a_text_whose_response_never_came(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        texts = await claimed(o, "a", "b")
        await answered(o, (texts[0], 0, "0"))
        await apply(o, receipt("0", texts[1]))
        assert await o.states() == ["submitted", "delivered"]

    tell_outbox(story)


def test_receipts_before_their_responses_keep_their_references(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        long, other = await claimed(o, "三" * 100, "四" * 100)
        await apply(o, receipt("0", long), receipt("0", other, UNDELIVERABLE))
        assert await o.states() == ["sending", "sending"], "which of its parts, only the response can tell"
        await answered(o, (other, 0, "0"), (other, 1, "0"))
        assert await o.states() == ["sending", "failed"]
        await answered(o, (long, 0, "0"), (long, 1, "0"))
        assert await o.states() == ["delivered", "failed"]
        assert await o.rows("SELECT 1 FROM texts_orphanreceipt") == []

    tell_outbox(story)


def test_each_part_of_a_long_text_has_its_receipt(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        (long,) = await claimed(o, "三" * 100)
        await answered(o, (long, 0, "m1"), (long, 1, "m2"))
        await apply(o, receipt("m2", long))
        assert await o.states() == ["submitted"]
        await apply(o, receipt("m1", long))
        assert await o.states() == ["delivered"]

    tell_outbox(story)
