"""Plans and their versions: to be read, and to be added to. Nobody edits or deletes one."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from louhua.charging.models import PlanVersion
from louhua.charging.plans import Plan, PlanError, from_toml, read_plan, to_toml
from louhua.web.console import tariffs
from louhua.web.console.pages.records import ReadOnly


class VersionForm(forms.Form):
    """A version as people write it."""

    toml = forms.CharField(
        label=gettext_lazy("Tariff (TOML)"),
        help_text=gettext_lazy(
            "A version never changes once it is stored; the earliest valid_from of a known plan is today."
            " Amounts are in yuan. Another name makes another plan."
        ),
        max_length=50_000,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            {"rows": 24, "spellcheck": "false", "wrap": "off", "autocapitalize": "off"}
        ),
    )
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    """The version before the author's eyes, by its key: whatever name the text has, it began with this one."""

    def clean_toml(self) -> Plan:
        """The plan it says."""
        try:
            return from_toml(self.cleaned_data["toml"])
        except PlanError as error:
            raise ValidationError(error.problems) from None


class Plans(ReadOnly):
    """Three pages: all plans, a version, a form for another one."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Who may add a version."""
        return bool(request.user.has_perm("charging.add_planversion"))

    def has_view_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        """Who may add one, too: else he would be refused the page of what he has just stored."""
        return self.has_add_permission(request) or bool(super().has_view_permission(request, obj))

    def changelist_view(self, request: HttpRequest, _context: dict[str, Any] | None = None) -> HttpResponseBase:
        """All plans with their versions."""
        self._must_see(request)
        today = timezone.localdate()
        plans = {}
        for name, rows in tariffs.by_plan().items():
            states = tariffs.states(rows, today)
            plans[name] = [(row, states[row.number]) for row in rows]
        return self._page(request, "plans", {"title": _("Plans"), "plans": plans})

    def change_view(
        self, request: HttpRequest, object_id: str, _form_url: str = "", _context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """One version."""
        self._must_see(request)
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        context = {
            "title": _("Plan %(plan)s, version %(number)d") % {"plan": row.name, "number": row.number},
            "row": row,
            "state": tariffs.states(PlanVersion.objects.filter(name=row.name), timezone.localdate())[row.number],
            "facts": tariffs.facts(row),
            "items": tariffs.items(row),
            "toml": to_toml(read_plan(row.document)),
        }
        return self._page(request, "plan", context)

    def add_view(
        self, request: HttpRequest, _form_url: str = "", _context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Add a version."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        today = timezone.localdate()
        overtaken_by: PlanVersion | None = None
        if request.method != "POST":
            newest = tariffs.newest_of(request.GET.get("plan", ""))
            form = VersionForm(initial={"toml": tariffs.draft(newest, today), "seen": newest and newest.pk})
        elif (form := VersionForm(request.POST)).is_valid():
            try:
                plan, seen = form.cleaned_data["toml"], form.cleaned_data["seen"]
                row = tariffs.add(plan, request.user.get_username(), today, seen)
            except PlanError as error:
                form.add_error("toml", error.problems)
            except tariffs.Overtaken as error:
                overtaken_by = error.newest
                form = VersionForm(request.POST.dict() | {"seen": overtaken_by.pk})  # the page tells of it
            else:
                said = _("Version %(number)d of %(plan)s is stored.") % {"number": row.number, "plan": row.name}
                messages.success(request, said)
                return HttpResponseRedirect(reverse("admin:charging_planversion_change", args=[row.pk]))
        title = _("Add a version") if request.GET.get("plan") else _("Add a plan")
        return self._page(request, "plan_add", {"title": title, "form": form, "overtaken_by": overtaken_by})

    def _must_see(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> TemplateResponse:
        everywhere = self.admin_site.each_context(request)
        mine = {"has_add_permission": self.has_add_permission(request)}
        return TemplateResponse(request, f"console/{name}.html", {**everywhere, **mine, **context})


PAGES: Final = ((PlanVersion, Plans),)
