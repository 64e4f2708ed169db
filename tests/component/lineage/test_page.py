"""The lineage page in a real Chromium.

With ``LAKEHOLD_SCREENSHOTS`` set to a folder, what is seen is kept there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import CHROMIUM, MISSING, chromium
from flights_graph import fill, thousands
from lakehold.lineage.explore.session import login_code
from lakehold.release.store import Store
from made_graph import MadeGraph
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.component, pytest.mark.skipif(CHROMIUM is None, reason=MISSING)]


expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def durable() -> bool:
    return False


@pytest.fixture(scope="module")
def extra() -> dict[str, str]:
    return {"LAKEHOLD_LINEAGE_CYTOSCAPE": str(Store.default().artifact("cytoscape"))}


@pytest.fixture(scope="module")
def axe() -> str:
    return (Store.default().artifact("axe") / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def seen(standing: Any) -> Any:
    """The service, with the graph of the main job."""
    graph = MadeGraph(standing.database)
    graph.empty()
    fill(graph)
    graph.connection.close()
    return standing


class Visit:
    """A browser's window on the page; whatever it complains about fails the test."""

    def __init__(self, page: Page, service: Any) -> None:
        self.page = page
        self.service = service
        self.complaints: list[str] = []
        self.clicks = 0
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type in {"error", "warning"} and self.complaints.append(said.text))

    def link(self, to: str = "") -> str:
        code = login_code(self.service.environment()["LAKEHOLD_LINEAGE_TOKEN"])
        return f"{self.service.url}/#login={code}{to}"

    def open(self, to: str = "") -> Page:
        """Come by a login link, and wait until all is shown."""
        self.page.goto(self.link(to))
        self.settled()
        return self.page

    def settled(self) -> None:
        # Not wait_for_function: it evaluates text within the page, which the page's policy forbids.
        deadline = time.monotonic() + 30
        while not self.page.evaluate("document.body.dataset.shown === (location.hash || '#')"):
            assert time.monotonic() < deadline, self.complaints
            self.page.wait_for_timeout(30)

    def click(self, locator: Locator) -> None:
        locator.click()
        self.clicks += 1
        self.settled()

    def keep(self, name: str) -> None:
        folder = os.environ.get("LAKEHOLD_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"lineage-{name}.png")


@pytest.fixture(params=["light"])
def visit(request: pytest.FixtureRequest, browser: Browser, seen: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 860}, color_scheme=request.param)
    context.set_default_timeout(15_000)
    made = Visit(context.new_page(), seen)
    yield made
    context.close()
    assert made.complaints == []


@pytest.fixture
def many(visit: Visit) -> Iterator[Visit]:
    """The same, with thousands of tables more."""
    thousands(visit.service.database, 3000, columns=1)
    yield visit
    graph = MadeGraph(visit.service.database)
    graph.empty()
    fill(graph)
    graph.connection.close()


def details(page: Page) -> Locator:
    return page.get_by_role("region", name="Details")


def listed(page: Page, name: str) -> Locator:
    return page.get_by_role("navigation").get_by_role("link", name=name, exact=True)


def at_rest(page: Page, shown: list[Locator]) -> list[Any]:
    """Return where things are once the picture has been arranged."""
    deadline = time.monotonic() + 15
    before: list[Any] = []
    while None in (now := [one.bounding_box() for one in shown]) or now != before:
        assert time.monotonic() < deadline
        before = now
        page.wait_for_timeout(100)
    return now


def test_from_a_gold_column_to_the_landing_file_and_its_checks_in_four_clicks(visit: Visit) -> None:
    page = visit.open()
    visit.keep("overview")
    visit.click(listed(page, "delays"))
    visit.keep("table")
    visit.click(details(page).get_by_role("link", name="arr_delay", exact=True))
    expect(details(page).get_by_text("aggregated")).to_be_visible()
    visit.keep("column")
    visit.click(details(page).locator(".way").get_by_role("link", name="s3://landing/flights", exact=True))
    expect(page.get_by_role("heading", level=1)).to_have_text("s3://landing/flights")
    visit.click(details(page).get_by_role("link", name="bronze.flights", exact=True))
    checks = details(page).locator("[data-section=Checks]")
    expect(checks.get_by_text("expect column values to be between")).to_be_visible()
    expect(details(page).get_by_text("3 checks passed")).to_be_visible()
    visit.keep("checks")
    assert visit.clicks == 4


def test_the_graph_itself_leads_there_too(visit: Visit) -> None:
    page = visit.open("&of=gold.delays&column=arr_delay")
    graph = page.get_by_role("group", name="Graph of tables and columns")
    expect(graph.get_by_role("link", name="arr_delay")).to_have_count(5)
    visit.click(graph.get_by_role("link", name="s3://landing flights"))
    expect(page.get_by_role("heading", level=1)).to_have_text("s3://landing/flights")


def test_a_failed_check_is_seen_from_afar(visit: Visit) -> None:
    page = visit.open()
    expect(page.get_by_role("navigation").get_by_text("1 failed")).to_be_visible()
    visit.click(listed(page, "weather").first)
    expect(details(page).locator("section, details").first).to_have_attribute("data-section", "Checks")


def test_everything_by_keyboard(visit: Visit) -> None:
    page = visit.open()
    press = page.keyboard.press
    press("/")
    page.keyboard.type("delays arr")
    expect(page.get_by_role("option", selected=True)).to_contain_text("gold.delays.arr_delay")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("gold.delays.arr_delay")
    visit.settled()
    page.get_by_role("group", name="Graph of tables and columns").focus()
    for _ in range(4):
        press("ArrowLeft")
    expect(page.locator(":focus")).to_have_attribute("title", "arr_delay bigint")
    press("ArrowUp")
    expect(page.locator(":focus")).to_have_attribute("title", "s3://landing/flights")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("s3://landing/flights")
    press("-")
    press("0")


def test_jobs_and_runs(visit: Visit) -> None:
    page = visit.open()
    visit.click(page.get_by_role("link", name="Jobs"))
    visit.click(listed(page, "dbt:delays"))
    expect(details(page).get_by_text("avg(arr_delay)")).to_be_hidden()
    details(page).get_by_text("Statement into gold.delays").click()
    expect(details(page).get_by_text("avg(arr_delay)")).to_be_visible()
    visit.keep("job")
    visit.click(details(page).get_by_role("link", name="2026-01-01 00:00:00"))
    expect(details(page).get_by_role("heading", level=2)).to_have_text("dbt:delays")
    visit.click(page.get_by_role("link", name="Runs"))
    expect(listed(page, "flights_daily.bronze.gate")).to_be_visible()


def test_a_line_says_what_it_is(visit: Visit) -> None:
    page = visit.open("&of=gold.delays&column=arr_delay")
    graph = page.get_by_role("group", name="Graph of tables and columns")
    wanted = [graph.locator("article", has_text=name) for name in ("stg_flights", "delays")]
    left, right, row = at_rest(page, [*wanted, graph.get_by_role("link", name="arr_delay").last])
    page.mouse.click((left["x"] + left["width"] + right["x"]) / 2, row["y"] + row["height"] / 2)
    chosen = details(page).get_by_role("region", name="The chosen line")
    expect(chosen).to_contain_text("gold.stg_flights.arr_delay → gold.delays.arr_delay")
    expect(chosen).to_contain_text("Read from the SQL that ran.")


def test_the_past(visit: Visit) -> None:
    page = visit.open("&of=gold.stg_flights&direction=down")
    expect(details(page).get_by_role("link", name="gold.routes")).to_be_visible()
    page.get_by_role("slider", name="Time").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("output")).to_have_text("2026-01-01 00:00 UTC")
    expect(details(page).get_by_role("link", name="gold.routes")).to_have_count(0)
    visit.keep("past")
    page.get_by_role("button", name="Now").click()
    expect(details(page).get_by_role("link", name="gold.routes")).to_be_visible()


def test_the_door(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.service.url)
    expect(page.get_by_text("lakehold lineage page")).to_be_visible()
    page.get_by_text("Use the service's token instead").click()
    page.get_by_label("Token").fill("guessed")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("That is not this service's token.")
    visit.complaints.clear()  # the browser says itself that it was refused
    page.get_by_label("Token").fill(visit.service.environment()["LAKEHOLD_LINEAGE_TOKEN"])
    page.get_by_role("button", name="Log in").click()
    visit.settled()
    page.reload()
    visit.settled()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("lakehold lineage page")).to_be_visible()


def test_when_a_session_ends_nothing_that_was_shown_stays(visit: Visit) -> None:
    page = visit.open("&of=gold.delays")
    expect(listed(page, "delays")).to_be_visible()
    end = """fetch('/api/v1/session', {
        method: 'DELETE',
        headers: {Authorization: `Bearer ${localStorage.getItem('lakehold.lineage.session')}`},
    }).then((answer) => answer.status)"""
    assert page.evaluate(end) == 204
    listed(page, "routes").click()
    expect(page.get_by_text("lakehold lineage page")).to_be_visible()
    assert page.get_by_text("routes").count() == page.locator("article, canvas").count() == 0
    visit.complaints.clear()  # the browser says itself that it was refused


def test_a_page_that_stays_open_shows_what_is_new(visit: Visit) -> None:
    page = visit.open()
    expect(listed(page, "delays")).to_be_visible()
    listed(page, "delays").focus()
    graph = MadeGraph(visit.service.database)
    graph.edges("dbt:fresh", ["gold.delays.arr_delay -> gold.fresh.arr_delay IDENTITY"])
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(listed(page, "fresh")).to_be_visible()
    expect(listed(page, "delays")).to_be_focused()
    graph.empty()
    fill(graph)
    graph.connection.close()


def test_the_code_leaves_the_address(visit: Visit) -> None:
    page = visit.open("&of=gold.delays")
    assert "login" not in page.url
    assert page.url.endswith("#of=gold.delays")


PLACES = {
    "everything": "",
    "a table": "&of=gold.delays",
    "a column": "&of=gold.delays&column=arr_delay&edges=all",
    "a file": "&of=s3%3A%2F%2Flanding%2Fflights",
    "jobs": "&list=jobs&of=bronze.weather",
    "runs": "&list=runs",
}


# In the dark only colours are others.
RULES = {"light": "{}", "dark": "{runOnly: ['color-contrast', 'link-in-text-block']}"}


@pytest.mark.parametrize(("visit", "rules"), RULES.items(), indirect=["visit"])
def test_axe_finds_nothing_serious(visit: Visit, axe: str, rules: str) -> None:
    page = visit.page
    page.goto(visit.service.url)
    expect(page.get_by_text("lakehold lineage page")).to_be_visible()
    found = {"the door": _violations(page, axe, rules)}
    for name, to in PLACES.items():
        visit.open(to)
        found[name] = _violations(page, axe, rules)
        visit.keep(f"{name.replace(' ', '-')}-{page.evaluate('matchMedia(`(prefers-color-scheme: dark)`).matches')}")
    job = page.evaluate("fetch('/page/main.js').then((answer) => answer.status)")
    assert job == 200
    assert found == {name: [] for name in found}


def _violations(page: Page, axe: str, rules: str) -> list[str]:
    # Evaluated by the debugger, as the page's policy lets no other script in.
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    # What it would fetch beforehand (style sheets, media) is for rules about other origins and for films.
    result = page.evaluate(f"axe.run(document, {{...{rules}, resultTypes: ['violations'], preload: false}})")
    assert result["passes"] or result["incomplete"], "nothing was looked at"
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in result["violations"]
    ]


def test_thousands_of_tables_stay_usable(many: Visit) -> None:
    page = many.open()
    expect(page.locator("#subtitle")).to_contain_text("3,0")
    many.keep("thousands")
    graph = page.get_by_role("group", name="Graph of tables and columns")
    graph.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_class("head")
    assert page.locator("article").count() <= 250


def test_of_very_many_tables_next_to_one_some_are_shown_and_the_others_counted(visit: Visit) -> None:
    graph = MadeGraph(visit.service.database)
    graph.edges("bench.hub", [f"bronze.hub.a -> gold.h{number:02}.a IDENTITY" for number in range(30)])
    graph.connection.close()
    page = visit.open("&of=bronze.hub")
    notice = page.locator("#notice")
    expect(notice).to_have_text("Not shown: 5 more tables after bronze.hub. Choose more tables a step to see them.")
    page.get_by_label("Tables a step").select_option("100")
    expect(notice).to_be_hidden()
    expect(page.locator("#subtitle")).to_contain_text("31 tables, 30 edges")


def test_without_the_library_lists_and_details_work(visit: Visit) -> None:
    visit.page.route("**/page/cytoscape.js", lambda route: route.fulfill(status=404, body="{}"))
    page = visit.open("&of=gold.delays&column=arr_delay")
    expect(page.get_by_text("lakehold pins fetch cytoscape")).to_be_visible()
    expect(details(page).get_by_role("link", name="s3://landing/flights", exact=True)).to_be_visible()
    visit.complaints.clear()
