"""How large a request may be, judged while it comes: Django would first read all of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.http import JsonResponse

LARGEST: Final = 512 * 1024
"""Octets of a request's body."""

_DISCARDED: Final = 16 * LARGEST
_LINGER_S: Final = 5.0

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """An ASGI application that answers 413 where another would have to read too much.

    To that one it looks as if the client had gone in the middle of its request, so it answers nothing.
    """

    def __init__(self, application: Application, largest: int = LARGEST) -> None:
        self._application = application
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced[:18]) > self._largest:
            await _refuse(receive, send)
            return
        came = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return message if came <= self._largest else {"type": "http.disconnect"}

        await self._application(scope, counted, send)
        if came > self._largest:
            await _refuse(receive, send)


async def _refuse(receive: Receive, send: Send) -> None:
    """Answer at once, then let the client finish for a while: a connection that is closed with octets unread is
    reset, and the answer lost (RFC 9112, 9.6)."""
    response = JsonResponse({"detail": f"the request is larger than {LARGEST} octets", "problems": []})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(response.content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": response.content, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            await _discard(receive)
    await send({"type": "http.response.body"})


async def _discard(receive: Receive) -> None:
    discarded = 0
    while discarded < _DISCARDED:
        message = await receive()
        if not message.get("more_body"):
            return
        discarded += len(message["body"])
