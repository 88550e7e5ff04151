"""The site's URLs. The console is where the ``web`` role is."""

from django.urls import URLPattern, URLResolver, include, path

from louhua.config import current
from louhua.web import health
from louhua.web.api.site import api

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz),
    path("metrics", health.metrics),
    path("api/v1/", api.urls),
]
if "web" in current().node.roles:
    urlpatterns.append(path("console/", include("louhua.web.console.urls")))
