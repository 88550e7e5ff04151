"""The site's URLs."""

urlpatterns: list[object] = []
