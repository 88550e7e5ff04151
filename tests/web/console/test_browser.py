"""The console in a real browser, served by the web role: both languages, on a telephone and on a desk."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, sync_playwright
from tests.web.console.conftest import PASSWORD

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PLAN = f"""name = "gold"
valid_from = {date.today() + timedelta(days=2)}
rental = "5.00"

[items.detail]
price = "0.10"
free = 3
"""
WORDS = {
    "zh-hans": {
        "login": "登录", "plans": "资费", "add": "新建资费", "store": "检查并保存", "price": "0.100 元 / 条",
        "stored": "gold 第 1 版已保存", "first": "第 1 版", "free": "每月免费条数",
        "overtaken": "已新增 gold 第 2 版", "third": "gold 第 3 版已保存",
    },
    "en": {
        "login": "Log in", "plans": "Plans", "add": "Add a plan", "store": "Check and store",
        "price": "0.100 yuan / text", "stored": "Version 1 of gold is stored", "first": "Version 1",
        "free": "Free a month", "overtaken": "has added version 2 of gold",
        "third": "Version 3 of gold is stored",
    },
}  # fmt: skip


@contextmanager
def browser(address: str, width: int) -> Iterator[Page]:
    """A page in Chromium; at the end nothing may have gone wrong in it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is missing; run: tools/test-peers.sh"
    problems: list[str] = []
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = program.new_context(
            base_url=address, viewport={"width": width, "height": 800}, locale="fr-FR", timezone_id="Europe/Paris"
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None)
        yield page
        program.close()
    assert problems == []


def fits(page: Page) -> None:
    """Nothing makes the page wider than the window."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, page.url


def enter(page: Page) -> None:
    page.goto("/console/login/?next=/console/")
    fits(page)
    page.locator("#id_username").fill("admin")
    page.locator("#id_password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("#logout-form").wait_for(state="attached")


def speak(page: Page, language: str) -> None:
    """Choose a language as a person does: from the menu under the own name."""
    if page.locator("html").get_attribute("lang") == language:
        return
    if not page.locator("#nav-sidebar").is_visible():
        page.locator("#header-inner .material-symbols-outlined:visible").first.click()
    page.locator("#nav-sidebar-inner").get_by_text("expand_all").or_(
        page.locator("#nav-sidebar-inner").get_by_text("unfold_more")
    ).last.click()
    page.locator(f"form:has(input[value={language}]) button").click()
    page.wait_for_selector(f"html[lang={language}]")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_plan_is_refused_added_and_read(address: str, language: str, width: int) -> None:
    words = WORDS[language]
    with browser(address, width) as page:
        enter(page)
        speak(page, language)
        page.locator("#content").get_by_role("link", name=words["plans"]).click()
        fits(page)
        page.get_by_role("link", name=words["add"]).click()
        field = page.locator("#id_toml")
        wrong = PLAN.replace("price", "prize")
        field.fill(wrong)
        page.get_by_role("button", name=words["store"]).click()
        assert page.get_by_role("alert").inner_text() == (
            "items.detail.prize: there is no such key; look for a typing mistake, or for the key in"
            " docs/charging.md"
        )
        assert field.input_value() == wrong
        fits(page)
        field.fill(PLAN)
        page.get_by_role("button", name=words["store"]).click()
        page.get_by_text(words["stored"]).wait_for()
        assert page.get_by_text(words["price"]).is_visible()
        assert page.get_by_role("heading", name=words["first"]).first.is_visible()
        page.locator("summary").click()
        assert 'price = "0.100"' in page.locator("pre").inner_text()
        fits(page)


def add_gold(author: str, seen: int | None) -> int:
    """As somebody else; in a thread, as Django refuses to work in one where a browser is driven."""
    from django.db import connections

    from louhua.charging.plans import from_toml
    from louhua.web.console.tariffs import add

    def work() -> int:
        try:
            return add(from_toml(PLAN), author, date.today(), seen).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_who_is_overtaken_looks_and_stores_again(address: str, language: str) -> None:
    words, long_name = WORDS[language], "w" * 60
    first = add_gold("li", None)
    with browser(address, 360) as page:
        enter(page)
        speak(page, language)
        page.goto("/console/charging/planversion/add/?plan=gold")
        field = page.locator("#id_toml")
        field.fill(PLAN)
        add_gold(long_name, first)
        page.get_by_role("button", name=words["store"]).click()
        told = page.get_by_role("alert")
        assert f"{long_name} {words['overtaken']}" in told.inner_text()
        assert field.input_value() == PLAN
        fits(page)
        with page.expect_popup() as beside:
            told.get_by_role("link").click()
        assert long_name in beside.value.locator("dl").inner_text()
        assert field.input_value() == PLAN
        page.get_by_role("button", name=words["store"]).click()
        page.get_by_text(words["third"]).wait_for()


def test_who_goes_back_has_no_old_text_with_a_new_version(address: str) -> None:
    first = add_gold("li", None)
    with browser(address, 1280) as page:
        enter(page)
        page.goto("/console/charging/planversion/add/?plan=gold")
        page.locator("#id_toml").fill(PLAN + "# old")
        page.goto("/console/charging/planversion/")
        newest = add_gold("wang", first)
        page.go_back()
        assert page.locator("[name=seen]").input_value() == str(newest)
        assert "# old" not in page.locator("#id_toml").input_value()


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits(address: str, width: int) -> None:
    from django.contrib.auth.models import User

    account = User.objects.get(username="viewer").pk
    paths = [
        "/console/", "/console/auth/user/", "/console/auth/user/add/", f"/console/auth/user/{account}/change/",
        f"/console/auth/user/{account}/password/", "/console/auth/group/", "/console/auth/group/add/",
        "/console/auth/group/1/change/", "/console/auditlog/logentry/", "/console/auditlog/logentry/1/change/",
        "/console/axes/accesslog/", "/console/axes/accessattempt/", "/console/password_change/",
        "/console/charging/planversion/", "/console/charging/planversion/add/",
    ]  # fmt: skip
    with browser(address, width) as page:
        enter(page)
        for path in paths:
            page.goto(path)
            assert page.url == address + path
            fits(page)


def test_without_a_mouse_the_place_is_seen(address: str) -> None:
    with browser(address, 1280) as page:
        enter(page)
        page.goto("/console/charging/planversion/add/")
        page.locator("#id_toml").focus()
        seen = set()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                continue  # past the last
            page.wait_for_function("""() => {  // styles change gradually
                const style = getComputedStyle(document.activeElement)
                return style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2
            }""")
            seen.add(page.evaluate("document.activeElement.innerText").strip())
        assert "检查并保存" in seen
