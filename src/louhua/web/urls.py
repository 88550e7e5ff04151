"""The site's URLs."""

from django.urls import path

from louhua.web import health

urlpatterns = [
    path("healthz", health.healthz),
    path("metrics", health.metrics),
]
