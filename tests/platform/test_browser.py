"""What people look at: Airflow's and Trino's pages, in a real Chromium.

With ``LAKEHOLD_SCREENSHOTS`` set to a folder, the pages are kept there (the docs' pictures are made so).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import CHROMIUM, MISSING, chromium
from playwright.sync_api import Browser, Page, expect
from running_platform import RunningPlatform

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=MISSING)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # The installation's own CA is in no browser's list; that the certificate is checked is tested elsewhere.
    context = browser.new_context(ignore_https_errors=True, viewport={"width": 1360, "height": 850})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("LAKEHOLD_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def _log_in(page: Page, variables: dict[str, str]) -> None:
    page.goto(variables["AIRFLOW_URL"])
    page.locator("input[name=username]").fill(variables["AIRFLOW_USER"])
    page.locator("input[name=password]").fill(variables["AIRFLOW_PASSWORD"])
    page.locator("input[type=submit], button[type=submit]").first.click()
    page.wait_for_url(lambda url: "/auth/login" not in url)


def test_a_finished_run_is_seen_in_airflow(page: Page, day_run: tuple[RunningPlatform, str]) -> None:
    platform, run = day_run
    variables = platform.variables()
    _log_in(page, variables)
    page.goto(f"{variables['AIRFLOW_URL']}/dags/flights_daily/runs/{run}")
    expect(page.get_by_text("Success").first).to_be_visible()
    expect(page.get_by_text("bronze", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Graph").or_(page.get_by_label("Show Graph")).first.click()
    expect(page.locator(".react-flow__node").first).to_be_visible()
    page.wait_for_timeout(1500)  # the graph's layout moves for a second; only the picture needs it still
    _keep(page, "airflow-run")


def test_a_tasks_log_is_read_in_airflow(page: Page, day_run: tuple[RunningPlatform, str]) -> None:
    platform, run = day_run
    variables = platform.variables()
    _log_in(page, variables)
    page.goto(f"{variables['AIRFLOW_URL']}/dags/flights_daily/runs/{run}/tasks/bronze.gate")
    expect(page.get_by_text("bronze_flights").first).to_be_visible()
    page.wait_for_timeout(1000)
    _keep(page, "airflow-log")


def test_a_wrong_password_stays_outside(page: Page, platform: RunningPlatform) -> None:
    variables = platform.variables()
    page.goto(variables["AIRFLOW_URL"])
    page.locator("input[name=username]").fill("admin")
    page.locator("input[name=password]").fill("admin")
    page.locator("input[type=submit], button[type=submit]").first.click()
    expect(page.get_by_text("Invalid login")).to_be_visible()


def test_trino_shows_its_queries(page: Page, platform: RunningPlatform) -> None:
    variables = platform.variables()
    platform.sql("select 'seen in the web UI'")
    page.goto(f"{variables['TRINO_URL']}/ui/login.html")
    page.locator("#username, input[name=username]").first.fill("admin")
    page.locator("#password, input[name=password]").first.fill((platform.state / "secrets" / "trino.admin").read_text())
    page.locator("input[type=submit], button[type=submit]").first.click()
    page.wait_for_url(lambda url: "login" not in url)
    page.get_by_text("Finished").first.click()
    expect(page.get_by_text("seen in the web UI").first).to_be_visible()
    _keep(page, "trino-queries")
