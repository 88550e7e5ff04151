"""Credit-control requests made of questions about money, and answers read; pure but for the library that encodes.

RFC 8506 with the AVPs of 3GPP TS 32.299, 6.2.2: money stands in Multiple-Services-Credit-Control. Money is in
thousandths of the currency's unit, so its Exponent is -3.
"""

from fractions import Fraction
from typing import Any, Final

from diameter.message.avp.grouped import (
    CcMoney,
    MultipleServicesCreditControl,
    RequestedServiceUnit,
    SubscriptionId,
    UnitValue,
    UsedServiceUnit,
)
from diameter.message.commands import CreditControlAnswer, CreditControlRequest
from diameter.message.constants import (
    APP_DIAMETER_CREDIT_CONTROL_APPLICATION,
    E_CC_REQUEST_TYPE_EVENT_REQUEST,
    E_CC_REQUEST_TYPE_INITIAL_REQUEST,
    E_CC_REQUEST_TYPE_TERMINATION_REQUEST,
    E_MULTIPLE_SERVICES_INDICATOR_MULTIPLE_SERVICES_SUPPORTED,
    E_REQUESTED_ACTION_DIRECT_DEBITING,
    E_SUBSCRIPTION_ID_TYPE_END_USER_E164,
    E_TERMINATION_CAUSE_DIAMETER_LOGOUT,
)

from louhua.charging.credit import Ask, Settlement
from louhua.charging.diameter.results import Answer, Code
from louhua.creditors import Diameter

_EXPONENT: Final = -3
_GREATEST_EXPONENT: Final = 18
"""No money has more digits; the field could be two thousand millions."""
_MANDATORY: Final = ("origin_host", "origin_realm", "destination_host")
"""The library leaves out their M bit, which is a MUST (RFC 6733, 4.5)."""


_SENT: Final = frozenset({
    "session_id", "origin_host", "origin_realm", "destination_realm", "auth_application_id", "service_context_id",
    "cc_request_type", "cc_request_number", "destination_host", "event_timestamp", "subscription_id",
    "termination_cause", "requested_action", "multiple_services_indicator", "multiple_services_credit_control",
})  # fmt: skip
"""The library looks for each AVP there may be in all of them: fewer of them take half the time."""


class _Request(CreditControlRequest):  # type: ignore[misc]  # the library has no types
    avp_def = tuple(
        given._replace(is_mandatory=None) if given.attr_name in _MANDATORY else given
        for given in CreditControlRequest.avp_def
        if given.attr_name in _SENT
    )


def session_id(config: Diameter, session: str) -> str:
    """The Session-Id of a session: the same from any node and after any restart, so that the server recognises
    what it has seen (RFC 8506, 8.2; RFC 6733, 8.8). It begins with our realm, since nodes differ in their host.
    """
    return f"{config.origin_realm};louhua;{session}"


def reservation(config: Diameter, ask: Ask) -> Any:
    """Reserve units for one event (ECUR: RFC 8506, 5.2; TS 32.299, 5.2.2.2)."""
    request = _begin(config, ask, E_CC_REQUEST_TYPE_INITIAL_REQUEST, 0)
    request.multiple_services_indicator = E_MULTIPLE_SERVICES_INDICATOR_MULTIPLE_SERVICES_SUPPORTED
    request.multiple_services_credit_control = [_service(config, ask.item, wanted=ask.amount)]
    return request


def termination(config: Diameter, settlement: Settlement) -> Any:
    """End a session and say what was used of it (RFC 8506, 5.4)."""
    request = _begin(config, settlement, E_CC_REQUEST_TYPE_TERMINATION_REQUEST, 1)
    request.termination_cause = E_TERMINATION_CAUSE_DIAMETER_LOGOUT
    request.multiple_services_credit_control = [_service(config, settlement.item, used=settlement.used)]
    return request


def debit(config: Diameter, ask: Ask) -> Any:
    """Take money at once (RFC 8506, 6.3; TS 32.299, 5.2.2.1)."""
    request = _begin(config, ask, E_CC_REQUEST_TYPE_EVENT_REQUEST, 0)
    request.requested_action = E_REQUESTED_ACTION_DIRECT_DEBITING
    request.multiple_services_credit_control = [_service(config, ask.item, wanted=ask.amount)]
    return request


def _begin(config: Diameter, about: Ask | Settlement, kind: int, number: int) -> Any:
    request = _Request()
    request.header.application_id = APP_DIAMETER_CREDIT_CONTROL_APPLICATION
    request.header.is_retransmit = about.again
    request.session_id = session_id(config, about.session)
    request.origin_host = config.origin_host.encode()
    request.origin_realm = config.origin_realm.encode()
    request.destination_realm = config.destination_realm.encode()
    if config.destination_host:
        request.destination_host = config.destination_host.encode()
    request.auth_application_id = APP_DIAMETER_CREDIT_CONTROL_APPLICATION
    request.service_context_id = config.service_context
    request.cc_request_type = kind
    request.cc_request_number = number
    request.event_timestamp = about.at
    request.subscription_id = [
        SubscriptionId(subscription_id_type=E_SUBSCRIPTION_ID_TYPE_END_USER_E164, subscription_id_data=about.payer)
    ]
    return request


def _service(config: Diameter, item: str, wanted: int | None = None, used: int | None = None) -> Any:
    identifier = config.service_identifiers.get(item)
    return MultipleServicesCreditControl(
        requested_service_unit=None if wanted is None else RequestedServiceUnit(cc_money=_money(config, wanted)),
        used_service_unit=[] if used is None else [UsedServiceUnit(cc_money=_money(config, used))],
        service_identifier=[] if identifier is None else [identifier],
        rating_group=config.rating_group or None,
    )


def _money(config: Diameter, thousandths: int) -> Any:
    return CcMoney(UnitValue(value_digits=thousandths, exponent=_EXPONENT), config.currency)


def read(answer: Any, currency: int) -> Answer:
    """What an answer says; where a message succeeded, the code of the service counts (TS 32.299, 6.3).

    An answer without Result-Code has code 0; money of another currency than ours counts as none.
    """
    if not isinstance(answer, CreditControlAnswer):
        return Answer(code=0)
    services = answer.multiple_services_credit_control or []
    code = answer.result_code or 0
    opened = code == Code.SUCCESS
    if opened:
        code = next((given.result_code for given in services if given.result_code not in {None, code}), code)
    units = [answer.granted_service_unit, *(given.granted_service_unit for given in services)]
    amounts = [
        _thousandths(unit.cc_money, currency) for unit in units if unit is not None and unit.cc_money is not None
    ]
    return Answer(code=code, granted=sum(amounts) if amounts else None, opened=opened)


def _thousandths(money: Any, currency: int) -> int:
    value = money.unit_value
    if value is None or value.value_digits is None or money.currency_code not in {None, currency}:
        return 0
    exponent = value.exponent or 0
    if abs(exponent) > _GREATEST_EXPONENT:
        return 0
    return int(value.value_digits * Fraction(10) ** (exponent - _EXPONENT))
