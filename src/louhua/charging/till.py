"""Between texts and money: who pays for a text when it is worded, and what follows from what became of it."""

from collections.abc import Sequence
from datetime import date, datetime

from louhua.charging import reservations
from louhua.charging.deliveries import Charger, Delivery
from louhua.charging.plans import Item, Payer, Version, usual_payer
from louhua.charging.rating import Why
from louhua.charging.reservations import State, Wanted
from louhua.charging.store import Charge
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.subscribers.profiles import Contract, Profile
from louhua.texts.outbox import FREE, UNPAID, Tag, TextChange, TextState


class Till:
    """Of one process; what it knows of the plans is as new as each transaction."""

    def __init__(self, config: Config) -> None:
        self._settings = config.charging
        self._zone = config.service.zone
        self._charger = Charger(config)

    async def open(self, connection: Connection) -> None:
        """To be called in each transaction before texts are tagged."""
        await self._charger.catalogue.refresh(connection)

    def tag(self, item: Item, callee: Profile, caller: Profile, day: date) -> Tag:
        """Who pays for a text: the callee's plan names the payer, the payer's plan the price.

        Nobody pays who is not ours to charge (land lines, other networks, withheld callers), nor for what the
        payer's plan does not name. ``day`` is today in the service's zone.
        """
        agreed = self._version(callee.contract, day)
        by_caller = (agreed.plan.payer_of(item) if agreed else usual_payer(item)) is Payer.CALLER
        payer, party = (caller, callee) if by_caller else (callee, caller)
        version = self._version(payer.contract, day)
        ours = payer.number and payer.served and payer.textable
        if not ours or version is None or item not in version.plan.items:
            return FREE
        return Tag(item, payer.number, party.number, payer.contract.prepaid)

    def price(self, item: Item, payer: Profile, day: date) -> int:
        """What an item costs somebody, in thousandths of a yuan, before quotas and caps."""
        version = self._version(payer.contract, day)
        terms = version.plan.items.get(item) if version else None
        return terms.price if terms else 0

    def _version(self, contract: Contract, day: date) -> Version | None:
        return self._charger.catalogue.version_for(contract, day, self._settings)

    async def reserve(self, connection: Connection, texts: Sequence[tuple[int, Tag]], now: datetime) -> None:
        """Ask for the money of these texts of prepaid payers; part of the transaction that queues them.

        To be called when that has locked all else: the months of payers are locked last, wherever they are.
        """
        asked = [(text_id, tag.payer, Item(tag.item)) for text_id, tag in texts if tag.prepaid]
        if not asked:
            return
        wanted = [
            Delivery(event=event_of(text_id), payer=payer, item=item, at=now) for text_id, payer, item in asked
        ]
        amounts = await self._charger.estimate(connection, wanted)
        money = [Wanted(*text, amount) for text, amount in zip(asked, amounts, strict=True)]
        await reservations.add(connection, money, now)

    async def texts_changed(
        self, connection: Connection, changes: Sequence[TextChange], now: datetime
    ) -> list[Charge]:
        """Charge for what was delivered and give back what was reserved for what was not; the new charges.

        Part of the transaction that changes the texts, which brings each of them to its end once: what a receipt
        says after that changes nothing. As with ``reserve``, all else is locked before.
        """
        final = [
            change
            for change in changes
            if change.tag.item and change.state in (TextState.DELIVERED, TextState.FAILED)
        ]
        if not final:
            return []
        texts = [change.text_id for change in final if change.error not in UNPAID]
        held = await reservations.of_texts(connection, texts)
        delivered = [change for change in final if change.state is TextState.DELIVERED]
        charges = await self._charger.charge(
            connection, [_delivered(change, held.get(change.text_id)) for change in delivered]
        )
        used = {charge.event: charge.amount for charge in charges}
        kept = {text: used.get(event_of(text), 0) for text, item in held.items() if item.may_be_kept}
        await reservations.settle(connection, kept, now)
        await reservations.remove(connection, held.keys() - kept.keys())
        return charges


def event_of(text_id: int) -> str:
    """What the ledger knows a text by."""
    return f"text:{text_id}"


def _delivered(change: TextChange, held: reservations.Reservation | None) -> Delivery:
    given = Why(held.why) if held is not None and held.state is State.WAIVED else None
    return Delivery(
        event=event_of(change.text_id),
        payer=change.tag.payer,
        item=Item(change.tag.item),
        at=change.at,
        recipient=change.recipient,
        party=change.tag.party,
        limit=None if held is None else held.amount,
        given=given,
    )
