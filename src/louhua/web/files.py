"""``/static/``: files of pages, straight from their packages, so that nothing need be collected first."""

import mimetypes
from pathlib import Path
from typing import Final

from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

_KEPT_S: Final = 600
"""How long a browser may use a file without asking: an upgrade shows after so long at most."""


@require_safe
def static(request: HttpRequest, path: str) -> HttpResponse:
    """A file of Django's applications; 404 for what is none, and for whatever leads out of their directories."""
    try:
        found = finders.find(path)
    except SuspiciousFileOperation:
        found = None
    if not isinstance(found, str) or not (file := Path(found)).is_file():
        raise Http404
    changed = file.stat().st_mtime
    response: HttpResponse
    if was_modified_since(request.headers.get("If-Modified-Since"), int(changed)):
        kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
        response = HttpResponse(file.read_bytes(), content_type=kind)
    else:
        response = HttpResponseNotModified()
    response["Last-Modified"] = http_date(changed)
    response["Cache-Control"] = f"public, max-age={_KEPT_S}"
    return response
