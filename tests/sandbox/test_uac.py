"""The signalling of a phone's call against a far end that does what the standard allows."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.far_end import FarEnd, far_end

from louhua.sandbox.listening import Library
from louhua.sandbox.phone import CallReport, HangUp, Phone, PhoneError, Step, Wait
from louhua.sip import Message, answer_to, parse

CALLER, CALLEE = "13900139000", "13800138000"
Story = Callable[[FarEnd, Phone], Awaitable[None]]


def play(story: Story, number: str = CALLER) -> None:
    async def told() -> None:
        async with asyncio.timeout(20), far_end() as far, Phone(number, far.address, Library({})) as phone:
            await story(far, phone)

    asyncio.run(told())


def calling(phone: Phone, *script: Step) -> asyncio.Task[CallReport]:
    return asyncio.create_task(phone.call(CALLEE, script))


def belongs_to(request: Message, invite: Message) -> bool:
    """Whether a CANCEL or ACK is of the INVITE's transaction (RFC 3261, sections 9.1 and 17.1.1.3)."""
    same = ("Via", "From", "Call-ID", "Max-Forwards")
    return request.target == invite.target and all(request.header(name) == invite.header(name) for name in same)


def test_an_invite_is_repeated_until_it_is_answered() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        await far.next("INVITE")
        await far.next("INVITE")
        assert far.datagrams[0] == far.datagrams[1]
        far.answer(far.invite, "200 OK", sdp=True)
        await far.is_hung_up()
        assert (await call).status == 200

    play(story)


def test_a_bye_is_repeated_until_it_is_answered() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        await far.connect()
        first = await far.next("BYE")
        assert await far.is_hung_up() == first
        assert (await call).ended_by == "phone"

    play(story)


def test_hanging_up_before_the_answer_cancels() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        invite = await far.next("INVITE")
        far.answer(invite, "183 Session Progress", sdp=True)
        cancel = await far.next("CANCEL")
        assert belongs_to(cancel, invite)
        assert (cancel.header("To"), cancel.header("CSeq")) == (invite.header("To"), "1 CANCEL")
        far.answer(cancel, "200 OK")
        far.answer(invite, "487 Request Terminated")
        ack = await far.next("ACK")
        assert belongs_to(ack, invite)
        assert ack.header("To").endswith(";tag=far")
        report = await call
        assert (report.status, report.ended_by) == (487, "phone")

    play(story)


def test_a_cancel_waits_until_the_invite_was_noticed() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone)
        invite = await far.next("INVITE")
        phone.hang_up()
        far.answer(invite, "100 Trying")
        cancel = await far.next("CANCEL")
        assert [data for data in far.datagrams if data.startswith(b"CANCEL")] == [far.datagrams[-1]]
        far.answer(cancel, "200 OK")
        far.answer(invite, "487 Request Terminated")
        await far.next("ACK")
        assert (await call).ended_by == "phone"

    play(story)


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        invite = await far.next("INVITE")
        far.answer(invite, "183 Session Progress", sdp=True)
        cancel = await far.next("CANCEL")
        far.answer(invite, "200 OK", sdp=True)
        far.answer(cancel, "200 OK")
        await far.next("ACK")
        bye = await far.is_hung_up()
        assert bye.target == f"sip:far@127.0.0.1:{far.address[1]}"
        assert (await call).ended_by == "phone"

    play(story)


def test_an_answer_that_comes_again_is_acknowledged_again() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, Wait(30))
        invite = await far.connect()
        far.answer(invite, "200 OK", sdp=True)
        again = await far.next("ACK")
        assert far.datagrams.count(far.datagrams[-1]) == 2, "the same ACK"
        assert again.header("CSeq") == "1 ACK"
        await far.hang_up()
        assert (await call).ended_by == "platform"

    play(story)


def test_a_late_progress_changes_nothing() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, Wait(30))
        invite = await far.connect()
        far.answer(invite, "180 Ringing")
        far.request("OPTIONS")
        await far.next("OPTIONS")
        phone.hang_up()
        await far.is_hung_up()
        report = await call
        assert (report.status, report.ended_by) == (200, "phone")

    play(story)


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("INFO", 200), ("INVITE", 488), ("UPDATE", 488), ("REFER", 501)]
)
def test_requests_of_the_platform_are_answered(method: str, status: int) -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, Wait(30))
        await far.connect()
        far.request(method)
        assert (await far.next(method)).status == status
        await far.hang_up()
        assert (await call).ended_by == "platform"

    play(story)


def test_what_belongs_to_another_call_is_passed_over() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, Wait(30))
        await far.connect()
        far.request("BYE", call_id="another")
        far.request("OPTIONS")
        await far.next("OPTIONS")
        assert not call.done()
        await far.hang_up()
        await call
        assert not any(b"another" in data for data in far.datagrams)

    play(story)


def test_requests_take_the_recorded_route() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        far.extra = (("Record-Route", "<sip:near;lr>"), ("Record-Route", "<sip:beyond;lr>"))
        await far.connect()
        bye = await far.is_hung_up()
        assert bye.all("Route") == ["<sip:beyond;lr>", "<sip:near;lr>"]
        assert bye.header("CSeq") == "2 BYE"
        await call

    play(story)


def test_one_that_rings_for_too_long_is_cancelled() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = asyncio.create_task(phone.call(CALLEE, answer_limit_s=0.1))
        invite = await far.next("INVITE")
        far.answer(invite, "180 Ringing")
        cancel = await far.next("CANCEL")
        far.answer(cancel, "200 OK")
        far.answer(invite, "487 Request Terminated")
        await far.next("ACK")
        report = await call
        assert (report.status, report.ended_by) == (487, "phone")

    play(story)


def test_a_platform_that_says_nothing_is_named() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        with pytest.raises(PhoneError, match=f"nobody answers at 127.0.0.1:{far.address[1]}"):
            await phone.call(CALLEE, answer_limit_s=0.1)

    play(story)


def test_a_call_ends_at_its_limit() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = asyncio.create_task(phone.call(CALLEE, limit_s=0.1))
        await far.connect()
        await far.is_hung_up()
        assert (await call).ended_by == "phone"

    play(story)


def test_a_platform_that_is_gone_does_not_hold_the_phone() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        await far.connect()
        report = await call
        assert (report.status, report.ended_by) == (200, "phone")
        assert report.seconds < 5

    play(story)


def test_a_cancelled_task_hangs_up() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, Wait(30))
        await far.connect()
        call.cancel()
        await far.is_hung_up()
        with pytest.raises(asyncio.CancelledError):
            await call

    play(story)


def test_leaving_the_phone_hangs_up_all_its_calls() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        async with far_end() as other, Phone(CALLER, far.address, Library({})) as leaving:
            second = Phone(CALLER, other.address, Library({}))
            calls = [calling(leaving, Wait(30)), calling(second, Wait(30))]
            await far.connect()
            await other.connect()
            answering = asyncio.create_task(far.is_hung_up())
            await leaving.__aexit__()
            await answering
            assert (await calls[0]).ended_by == "phone"
            assert not calls[1].done()
            await other.hang_up()
            assert (await calls[1]).ended_by == "platform"

    play(story)


def test_who_calls_and_whom() -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        invite = await far.connect()
        await far.is_hung_up()
        await call
        assert invite.target == f"sip:06001@127.0.0.1:{far.address[1]}"
        assert invite.header("P-Asserted-Identity") == "<tel:+8613900139000>"
        assert invite.header("From").startswith("<sip:+8613900139000@127.0.0.1>;tag=")
        assert invite.header("Diversion").startswith("<sip:+8613800138000@127.0.0.1>;reason=unavailable")
        assert not invite.header("Privacy")

    play(story)


@pytest.mark.parametrize(
    ("number", "identity", "privacy"),
    [("10086", "<sip:10086@127.0.0.1>", ""), ("", '"Anonymous" <sip:anonymous@anonymous.invalid>', "id")],
)
def test_short_codes_and_withheld_numbers(number: str, identity: str, privacy: str) -> None:
    async def story(far: FarEnd, phone: Phone) -> None:
        call = calling(phone, HangUp())
        invite = await far.connect()
        await far.is_hung_up()
        await call
        assert invite.header("P-Asserted-Identity") == identity
        assert invite.header("Privacy") == privacy
        assert "+" not in invite.header("From")

    play(story, number)


_words = st.text(st.characters(codec="ascii", exclude_characters="\r\n:"), min_size=1).map(str.strip).filter(bool)


@given(st.binary() | st.builds(lambda start, rest: start + rest, st.just(b"SIP/2.0 200 OK\r\n"), st.binary()))
def test_no_datagram_breaks_the_phone(datagram: bytes) -> None:
    message = parse(datagram)
    if message is not None:
        assert message.method
        assert message.header("Call-ID")


_names = _words.filter(lambda name: name.lower() not in ("l", "content-length"))  # those are the encoder's


@given(st.lists(st.tuples(_names, _words), max_size=5), st.sampled_from(["", "v=0\r\n", "声音"]))
def test_a_message_comes_back_as_it_was_sent(headers: list[tuple[str, str]], body: str) -> None:
    needed = (("Call-ID", "a"), ("CSeq", "1 BYE"))
    message = Message("BYE sip:a@b SIP/2.0", (*needed, *headers), body)
    back = parse(message.encode())
    assert back is not None
    assert (back.start, back.body, back.headers[: len(message.headers)]) == (message.start, body, message.headers)


def test_short_forms_are_known_and_answered() -> None:
    request = parse(b"BYE sip:a SIP/2.0\r\ni: 1\r\nv: x\r\nf: y\r\nt: z\r\nCSeq: 2 BYE\r\nl: 0\r\n\r\n")
    assert request is not None
    assert (request.header("Call-ID"), request.all("Via")) == ("1", ["x"])
    answer = answer_to(request, 200, "OK")
    assert [name for name, _ in answer.headers] == ["i", "v", "f", "t", "CSeq"]
