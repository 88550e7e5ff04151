"""Requests as they go over the wire, and answers as they come."""

from datetime import UTC
from typing import Any

import pytest
from diameter.message import Message
from diameter.message.avp.grouped import MultipleServicesCreditControl
from hypothesis import given
from hypothesis import strategies as some
from tests.charging.diameter.conversation import AT, PAYER, ask, diameter, used
from tests.charging.diameter.far_end import answer, granted

from louhua.charging.diameter.messages import debit, read, reservation, session_id, termination
from louhua.charging.diameter.results import Answer

CONFIG = diameter(3868)


def over_the_wire(request: Any) -> Any:
    """What the far end decodes."""
    return Message.from_bytes(request.as_bytes())


def money(unit: Any) -> tuple[int, int, int]:
    value = unit.cc_money.unit_value
    return value.value_digits, value.exponent, unit.cc_money.currency_code


def test_a_reservation() -> None:
    request = over_the_wire(reservation(CONFIG, ask("text-7", 1234)))
    assert request.header.command_code == 272
    assert request.header.application_id == request.auth_application_id == 4
    assert request.header.is_request
    assert request.header.is_proxyable
    assert not request.header.is_retransmit
    assert (request.cc_request_type, request.cc_request_number) == (1, 0)
    assert request.session_id == "louhua.example;louhua;text-7"
    assert request.origin_host == b"alert1.louhua.example"
    assert request.origin_realm == b"louhua.example"
    assert request.destination_realm == b"ocs.example"
    assert request.destination_host is None
    assert request.service_context_id == "32274@3gpp.org"
    assert request.requested_action is None
    assert request.termination_cause is None
    assert request.multiple_services_indicator == 1
    assert request.event_timestamp.astimezone(UTC) == AT
    (subscription,) = request.subscription_id
    assert (subscription.subscription_id_type, subscription.subscription_id_data) == (0, PAYER)
    (service,) = request.multiple_services_credit_control
    assert money(service.requested_service_unit) == (1234, -3, 156)
    assert not service.used_service_unit
    assert service.service_identifier == [1]
    assert service.rating_group is None


def test_a_settlement() -> None:
    request = over_the_wire(termination(CONFIG, used("text-7", 0)))
    assert (request.cc_request_type, request.cc_request_number) == (3, 1)
    assert request.session_id == session_id(CONFIG, "text-7")
    assert request.termination_cause == 1
    assert request.requested_action is None
    (service,) = request.multiple_services_credit_control
    assert service.requested_service_unit is None
    assert [money(unit) for unit in service.used_service_unit] == [(0, -3, 156)]


def test_a_debit() -> None:
    request = over_the_wire(debit(CONFIG, ask("rent-5", 5000)))
    assert (request.cc_request_type, request.cc_request_number) == (4, 0)
    assert request.requested_action == 0
    assert request.multiple_services_indicator is None
    (service,) = request.multiple_services_credit_control
    assert money(service.requested_service_unit) == (5000, -3, 156)


def test_what_was_asked_before_is_marked() -> None:
    assert over_the_wire(reservation(CONFIG, ask("a", again=True))).header.is_retransmit
    assert over_the_wire(debit(CONFIG, ask("a", again=True))).header.is_retransmit
    assert over_the_wire(termination(CONFIG, used("a", 1, again=True))).header.is_retransmit


def test_what_the_operator_sets() -> None:
    config = diameter(
        3868, destination_host="ocs7.ocs.example", service_context="louhua@operator.example", currency=978,
        rating_group=42, items={"missed": 1001},
    )  # fmt: skip
    request = over_the_wire(reservation(config, ask("a", 5)))
    assert request.destination_host == b"ocs7.ocs.example"
    assert request.service_context_id == "louhua@operator.example"
    (service,) = request.multiple_services_credit_control
    assert service.service_identifier == [1001]
    assert service.rating_group == 42
    assert money(service.requested_service_unit) == (5, -3, 978)


def test_every_avp_of_the_base_protocol_is_mandatory() -> None:
    """RFC 6733, 4.5: Origin-Host, Origin-Realm, Destination-Host and -Realm have the M bit."""
    config = diameter(3868, destination_host="ocs7.ocs.example")
    message = Message.from_bytes(reservation(config, ask("a")).as_bytes(), plain_msg=True)
    for code in (264, 296, 293, 283):
        (avp,) = (avp for avp in message.avps if avp.code == code)
        assert avp.is_mandatory, code


REQUEST = over_the_wire(reservation(CONFIG, ask("a", 100)))


@pytest.mark.parametrize(
    ("code", "service", "said"),
    [
        (2001, None, Answer(code=2001, opened=True)),
        (2001, granted(100), Answer(code=2001, granted=100, opened=True)),
        (2001, granted(1, exponent=-1), Answer(code=2001, granted=100, opened=True)),
        (2001, granted(1, exponent=None), Answer(code=2001, granted=1000, opened=True)),
        (2001, granted(99999, exponent=-6), Answer(code=2001, granted=99, opened=True)),
        (2001, granted(100, currency=None), Answer(code=2001, granted=100, opened=True)),
        (2001, granted(100, currency=978), Answer(code=2001, granted=0, opened=True)),
        (2001, granted(1, exponent=2_000_000_000), Answer(code=2001, granted=0, opened=True)),
        (2001, granted(100, code=2001), Answer(code=2001, granted=100, opened=True)),
        (2001, MultipleServicesCreditControl(result_code=4012), Answer(code=4012, opened=True)),
        (4012, None, Answer(code=4012)),
        (4012, MultipleServicesCreditControl(result_code=2001), Answer(code=4012)),
        (None, None, Answer(code=0)),
    ],
)
def test_an_answer(code: int | None, service: Any, said: Answer) -> None:
    assert read(Message.from_bytes(answer(REQUEST, code, service)), 156) == said


def test_money_beside_the_services_counts() -> None:
    message = Message.from_bytes(answer(REQUEST))
    message.granted_service_unit = granted(70).granted_service_unit
    assert read(Message.from_bytes(message.as_bytes()), 156).granted == 70


@given(amount=some.integers(0, 2**63 - 1))
def test_any_amount_goes_over_the_wire(amount: int) -> None:
    about = ask("a", amount)
    request = over_the_wire(reservation(CONFIG, about))
    assert money(request.multiple_services_credit_control[0].requested_service_unit)[0] == amount
    assert read(Message.from_bytes(answer(request, service=granted(amount))), 156).granted == amount
