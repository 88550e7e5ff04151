"""The ASGI application that the ``web`` role serves; files of pages come straight from their packages."""

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

from louhua.web.body import BodyLimit

application = BodyLimit(ASGIStaticFilesHandler(get_asgi_application()))
