"""The site's URLs."""

from django.urls import path

from louhua.web import health
from louhua.web.api.site import api

urlpatterns = [
    path("healthz", health.healthz),
    path("metrics", health.metrics),
    path("api/v1/", api.urls),
]
