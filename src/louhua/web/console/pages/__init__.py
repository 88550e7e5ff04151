"""The console's pages, a module a subject."""

from django.contrib import admin

from louhua.web.console.pages import records, staff, tariffs


def register() -> None:
    """Put the pages on the site, in place of those that Django's own modules put there when imported."""
    for model, page in (*tariffs.PAGES, *staff.PAGES, *records.PAGES):
        if admin.site.is_registered(model):
            admin.site.unregister(model)
        admin.site.register(model, page)
