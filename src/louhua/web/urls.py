"""The site's URLs. Pages, and what they need, are where the ``web`` role is."""

from django.urls import URLPattern, URLResolver, include, path

from louhua.config import current
from louhua.web import health
from louhua.web.api.site import api
from louhua.web.files import static

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("metrics", health.metrics),
    path("api/v1/", api.urls),
]
if "web" in current().node.roles:
    urlpatterns += [path("console/", include("louhua.web.console.urls")), path("static/<path:path>", static)]
