"""The ASGI application that the ``web`` role serves."""

from django.core.asgi import get_asgi_application

from louhua.web.body import BodyLimit

application = BodyLimit(get_asgi_application())
