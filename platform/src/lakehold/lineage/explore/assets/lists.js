// What there is, by name: tables by schema, jobs, and the newest runs.

import { badge, checksBadge, count, h, JOB, moment, runBadge } from "/page/dom.js";
import { partsOf } from "/page/cards.js";
import { href, to } from "/page/place.js";
import { ask } from "/page/service.js";

const TABS = { tables: "Tables", jobs: "Jobs", runs: "Runs" };
const MOST_SHOWN = 500;

export class Lists {
  constructor(nav) {
    this.nav = nav;
    this.filter = h("input", { type: "search", "aria-label": "Only names with", placeholder: "Filter", autocomplete: "off", spellcheck: "false" });
    this.filter.addEventListener("input", () => this.fill());
    this.tabs = h("div", { class: "tabs" });
    this.list = h("div", { class: "list" });
    nav.append(this.tabs, this.filter, this.list);
  }

  async load(at, signal) {
    const [tables, processes, runs] = await Promise.all([
      ask("tables", { at, limit: 10000 }, signal),
      ask("processes", { at, limit: 10000 }, signal),
      ask("runs", { until: at, limit: 200 }, signal),
    ]);
    this.rows = { tables: tables.tables, jobs: processes.processes, runs: runs.runs };
    this.checks = new Map(tables.tables.map((table) => [table.id, table]));
  }

  show(place) {
    this.place = place;
    const focused = document.activeElement;
    const from = [this.tabs, this.list].find((part) => part.contains(focused));
    this.tabs.replaceChildren(
      ...Object.entries(TABS).map(([list, name]) =>
        h("a", { href: href({ ...place, list }), "aria-current": place.list === list ? "true" : undefined }, name),
      ),
    );
    this.fill();
    // What was chosen was drawn anew; who came by keyboard is still there.
    const links = [...(from?.querySelectorAll("a") ?? [])];
    const same = links.find((link) => link.getAttribute("href") === focused.getAttribute("href"));
    (same ?? links.find((link) => link.hasAttribute("aria-current")))?.focus({ preventScroll: true });
  }

  fill() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (text) => words.every((word) => text.toLowerCase().includes(word));
    const make = { tables: () => this.tables(has), jobs: () => this.jobs(has), runs: () => this.runs(has) }[this.place.list];
    const scrolled = this.list.scrollTop;
    this.list.replaceChildren(...(make?.() ?? []));
    this.list.scrollTop = scrolled;
  }

  tables(has) {
    const groups = new Map();
    const found = this.rows.tables.filter((table) => has(table.title));
    for (const table of found.slice(0, MOST_SHOWN)) {
      const [schema, name] = partsOf(table);
      if (!groups.has(schema)) groups.set(schema, []);
      const current = this.place.of === table.title ? "page" : undefined;
      const failed = table.failed ? badge("bad", `${table.failed} failed`) : null;
      groups.get(schema).push(h("li", {}, h("a", { href: to(this.place, { of: table.title }), "aria-current": current, title: table.description }, name), failed));
    }
    const parts = [...groups].map(([schema, items]) => h("section", {}, h("h2", {}, schema || "other"), h("ul", {}, items)));
    return [...parts, this.rest(found.length, "table")].filter(Boolean);
  }

  jobs(has) {
    const found = this.rows.jobs.filter((job) => has(job.name));
    const items = found.slice(0, MOST_SHOWN).map((job) =>
      h(
        "li",
        {},
        h("a", { href: to(this.place, { job: job.id }), "aria-current": this.place.job === String(job.id) ? "page" : undefined }, job.name),
        h("small", {}, JOB[job.kind] ?? job.kind, job.state ? [" ", runBadge(job.state)] : null),
      ),
    );
    return [h("ul", { class: "two" }, items), this.rest(found.length, "job")].filter(Boolean);
  }

  runs(has) {
    const found = this.rows.runs.filter((run) => has(run.job_name));
    const items = found.map((run) =>
      h(
        "li",
        {},
        h("a", { href: to(this.place, { run: run.run_id }), "aria-current": this.place.run === run.run_id ? "page" : undefined }, run.job_name),
        h("small", {}, `${moment(run.started_at)} `, runBadge(run.state)),
      ),
    );
    return [h("ul", { class: "two" }, items), this.rest(found.length, "run")].filter(Boolean);
  }

  rest(number, one) {
    if (!number) return h("p", { class: "aside" }, `No ${one} matches.`);
    return number > MOST_SHOWN ? h("p", { class: "aside" }, `and ${count(number - MOST_SHOWN, `more ${one}`)}: filter by name`) : null;
  }
}
