"""Accounts and roles of staff. An account is never deleted, as its name stands in records: it is made inactive."""

from typing import Any, Final

from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from louhua.web.console.roles import NAMES, PERMISSIONS


class _Ticked(ModelAdmin):
    """Of several things each is ticked: a list to choose from is wider than a telephone."""

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **options: Any) -> Any:
        """As boxes."""
        options["widget"] = UnfoldAdminCheckboxSelectMultipleWidget
        field = super().formfield_for_manytomany(db_field, request, **options)
        field.help_text = ""  # Django's is about the list
        return field


class Accounts(_Ticked, UserAdmin):  # type: ignore[type-arg]
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


def _in_words(permission: Permission) -> str:
    action = gettext(permission.codename.partition("_")[0].capitalize())
    return f"{gettext(permission.content_type.name)}: {action}"


class Roles(_Ticked, GroupAdmin):
    """What each role may; those of the program itself stay as they are."""

    list_display = ("name",)
    filter_horizontal = ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest | None = None, **options: Any) -> Any:
        """Only what the console has pages for, in words."""
        field = super().formfield_for_manytomany(db_field, request, **options)
        if db_field.name == "permissions":
            names = Concat("content_type__app_label", Value("."), "codename")
            permissions = Permission.objects.annotate(full_name=names).filter(full_name__in=PERMISSIONS)
            field.queryset = permissions.select_related("content_type")
            field.label_from_instance = _in_words
        return field

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Ours cannot be changed."""
        return (obj is None or obj.name not in NAMES) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Ours cannot be deleted."""
        return (obj is None or obj.name not in NAMES) and super().has_delete_permission(request, obj)


PAGES: Final = ((User, Accounts), (Group, Roles))
