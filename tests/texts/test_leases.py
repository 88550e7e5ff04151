"""What a process has in hand when the database was away for longer than a lease: sent once, and settled."""

from tests.texts.conftest import Outbox, TellOutbox

from louhua.texts.sender import LEASE, Patience

LEASE_S = LEASE.total_seconds()


def test_a_text_in_hand_is_not_sent_again(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        async with o.at_work():
            await o.queue("once")
            await o.until_submitted(1)
            await o.others_end_the_leases()
            assert await o.states() == ["queued"]
            await o.until_states("sending")
            o.answer()
            await o.until_states("submitted")
        assert len(o.centre.submitted) == 1

    tell_outbox(story)


def test_results_of_an_outage_settle_texts_that_others_have_queued_again(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        async with o.at_work():
            await o.queue("once", "三" * 100)
            await o.until_submitted(2)
            o.fitful.away = True
            o.answer()
            await o.others_end_the_leases()
            o.fitful.away = False
            await o.until_states("submitted", "submitted")
        assert len(o.centre.submitted) == 2
        assert o.sender._in_hand == {}

    tell_outbox(story)


def test_a_text_whose_parts_the_smsc_has_all_is_submitted_as_it_is(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        (text,) = await o.queue("done")
        await o.rows(
            "WITH part AS (INSERT INTO texts_part"
            " (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)"
            " VALUES (%(text)s, 0, 's', 'm', 'm', '1', 'submitted', ''))"
            " UPDATE texts_text SET attempts = 1 RETURNING id",
            text=text,
        )
        async with o.at_work():
            await o.until_states("submitted")
        assert o.centre.submitted == []
        assert o.sender._in_hand == {}

    tell_outbox(story)


def test_leases_are_ended_when_renewals_have_succeeded_for_the_length_of_one() -> None:
    patience = Patience()
    assert not patience.over(0.0)
    for moment in (0.0, 10.0, 20.0):
        patience.renewed(moment)
        assert not patience.over(moment + 9)
    patience.renewed(LEASE_S)
    assert patience.over(LEASE_S)


def test_after_an_outage_the_living_renew_first() -> None:
    patience = Patience()
    for moment in (0.0, 10.0, 20.0, 30.0, 40.0):
        patience.renewed(moment)
    assert patience.over(41.0)
    assert not patience.over(90.0), "nothing was renewed for a while"
    patience.renewed(90.0)
    assert not patience.over(91.0)
    for moment in (100.0, 110.0, 120.0):
        patience.renewed(moment)
    assert patience.over(120.0)
