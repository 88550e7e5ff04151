"""Accounts and roles of staff. An account is never deleted, as its name stands in records: it is made inactive."""

from typing import Any, Final

from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from louhua.web.console.roles import NAMES


class Accounts(UserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Who may log in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "roles", "is_active", "last_login")
    list_filter = ("groups", "is_active")
    search_fields = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "is_active", "groups")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2", "groups")}),)

    def has_delete_permission(self, _request: HttpRequest, _obj: User | None = None) -> bool:
        """Nobody may."""
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        """With their roles."""
        return super().get_queryset(request).prefetch_related("groups")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Whoever has an account here may enter."""
        obj.is_staff = True
        super().save_model(request, obj, form, change)

    def roles(self, user: User) -> str:
        """The roles, by name."""
        return ", ".join(sorted(group.name for group in user.groups.all())) or "—"

    roles.short_description = _("roles")  # type: ignore[attr-defined]


class Roles(GroupAdmin, ModelAdmin):
    """What each role may; those of the program itself stay as they are."""

    list_display = ("name",)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **options: Any) -> Any:
        """Only what the console has pages for."""
        if db_field.name == "permissions":
            shown = ContentType.objects.get_for_models(*self.admin_site._registry)
            options["queryset"] = Permission.objects.filter(content_type__in=shown.values())
        return super().formfield_for_manytomany(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Ours cannot be changed."""
        return (obj is None or obj.name not in NAMES) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Ours cannot be deleted."""
        return (obj is None or obj.name not in NAMES) and super().has_delete_permission(request, obj)


PAGES: Final = ((User, Accounts), (Group, Roles))
