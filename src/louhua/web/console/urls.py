"""The console's URLs."""

from django.contrib import admin
from django.urls import path
from django.views.i18n import set_language

urlpatterns = [
    path("language", set_language, name="console-language"),
    path("", admin.site.urls),
]
