// The page: what the address says is asked for and shown; everything else follows the address.

import { Controls } from "/page/controls.js";
import * as details from "/page/details.js";
import { byId, columnTitle, count, h } from "/page/dom.js";
import { Lists } from "/page/lists.js";
import { door, takeCode } from "/page/login.js";
import { edges, href, name, read, to } from "/page/place.js";
import { search } from "/page/search.js";
import { ask, loggedIn, logIn, logOut, onLoggedOut } from "/page/service.js";
import { Time } from "/page/time.js";

const panel = byId("details");
const notice = byId("notice");
const lists = new Lists(document.querySelector(".lists"));
const time = new Time(document.querySelector(".time"));
const controls = new Controls(document.querySelector(".controls"), {
  fit: () => drawing?.fit(),
  zoom: (by) => drawing?.zoom(by),
});
const REFRESH = 60_000;
const say = (text) => (byId("said").textContent = text);
let drawing;
let place = read();
let graph;
let asking = new AbortController();
let listed;

async function show() {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const before = place;
  place = read();
  try {
    const [found] = await Promise.all([look(place, signal), list(place.at, signal), time.load(place, signal)]);
    if (signal.aborted) return;
    graph = found.graph;
    lists.show(place);
    controls.show(place);
    time.show(place);
    title(found);
    tell(found);
    describe(found, before);
    drawing?.show(graph, { focus: graph.of ?? null, checks: lists.checks, key: href({ ...place, at: "", list: "" }) });
    document.body.dataset.shown = location.hash || "#";
  } catch (problem) {
    if (problem.name === "AbortError" || problem.status === 401) return;
    notice.textContent = problem.message;
    notice.hidden = false;
    if (problem.status === 404) panel.replaceChildren(h("p", { class: "aside" }, "Choose something in the list, or search."));
    if (lists.rows) lists.show(place);
    controls.show(place);
  }
}

async function list(at, signal) {
  if (listed === at) return;
  await lists.load(at, signal);
  listed = at;
}

// What came since, for a page that stays open: into the lists and onto the slider.
async function refresh() {
  if (!loggedIn() || listed !== place.at || document.hidden) return;
  const { signal } = asking;
  const before = JSON.stringify([lists.rows, time.changes]);
  try {
    await Promise.all([lists.load(place.at, signal), time.load(place, signal, true)]);
    if (signal.aborted || JSON.stringify([lists.rows, time.changes]) === before) return;
    lists.show(place);
    time.show(place);
  } catch (problem) {
    if (problem.name === "AbortError" || problem.status === 401) return;
    notice.textContent = problem.message;
    notice.hidden = false;
  }
}

// What the address names: its graph, and what is known of it.
async function look({ at, of, job, run, direction, depth, fan }, signal) {
  if (of) {
    const around = { of: name(place), at, direction, depth, fan, edges: edges(place) };
    const [graph, node] = await Promise.all([ask("graph", around, signal), ask("node", { name: name(place), at }, signal)]);
    return { graph, node };
  }
  if (job) {
    const process = await ask("process", { id: job, at }, signal);
    return { graph: between(process), process };
  }
  const whole = ask("overview", { at, limit: 10000 }, signal);
  if (!run) return { graph: await whole };
  const [graph, runs, children, events] = await Promise.all([
    whole,
    ask("runs", { run }, signal),
    ask("runs", { parent: run, limit: 100 }, signal),
    ask("events", { run, limit: 100 }, signal),
  ]);
  const [one] = runs.runs;
  return { graph, run: one && { run: one, children: children.runs, events: events.events } };
}

// A job's own picture: what it reads leads to what it writes.
function between({ reads, writes, ...process }) {
  const nodes = new Map([...reads, ...writes].map((node) => [node.id, { ...node, fields: [] }]));
  const pairs = reads.flatMap((source) => writes.map((target) => [source, target])).filter(([source, target]) => source.id !== target.id);
  const end = (node) => ({ node: node.id, field: null });
  return {
    nodes: [...nodes.values()],
    processes: [process],
    edges: pairs.map(([source, target]) => ({ source: end(source), target: end(target), process: process.id, direct: true, how: "", ...process })),
  };
}

function title({ node, process, run }) {
  const text = node ? (place.column ? columnTitle(node, place.column) : node.title) : (process?.name ?? run?.run.job_name ?? "All tables");
  byId("title").textContent = text;
  byId("subtitle").textContent = `${count(graph.nodes.length, "table")}, ${count(graph.edges.length, "edge")}${place.at ? "" : ", now"}`;
  document.title = `${text} · Lineage · Lakehold`;
}

function tell({ run }) {
  const text = graph.truncated
    ? `Only the first ${count(graph.edges.length, "edge")} are shown: choose fewer steps, one direction, or one column.`
    : place.run && !run
      ? "This run is not known (any more)."
      : graph.nodes.length
        ? beyond(graph)
        : "Nothing has been seen yet. As soon as something runs, it is here.";
  notice.textContent = text;
  notice.hidden = !text;
}

// What is next to what is shown, and is not.
function beyond({ more = [], nodes }) {
  const most = [...more].sort((one, other) => other.tables - one.tables).slice(0, 3);
  const titles = new Map(nodes.map((node) => [node.id, node.title]));
  const parts = most.map(({ node, direction, tables }) => `${count(tables, "more table")} ${direction === "up" ? "before" : "after"} ${titles.get(node)}`);
  const others = more.length > most.length ? [`more at ${count(more.length - most.length, "other place")}`] : [];
  return parts.length ? `Not shown: ${[...parts, ...others].join(", ")}. Choose more tables a step to see them.` : "";
}

function describe({ node, process, run }, before) {
  const content = node
    ? details.table(place, node, graph, lists.checks)
    : process
      ? details.job(place, process)
      : run
        ? details.run(place, run)
        : details.overview(graph);
  const same = before.of === place.of && before.column === place.column && before.job === place.job && before.run === place.run;
  const scrolled = same ? panel.scrollTop : 0;
  const opened = same ? new Map([...panel.querySelectorAll("details")].map((one) => [one.dataset.section, one.open])) : new Map();
  const inside = panel.contains(document.activeElement);
  panel.replaceChildren(...content.flat(2).filter(Boolean));
  for (const one of panel.querySelectorAll("details")) one.open = opened.get(one.dataset.section) ?? one.open;
  panel.scrollTop = scrolled;
  if (inside && !same) panel.querySelector("h2")?.focus({ preventScroll: true });
  if (!same) say(`${byId("title").textContent} is shown.`);
}

async function enter() {
  byId("login").hidden = true;
  byId("browse").hidden = false;
  byId("log-out").hidden = false;
  document.querySelector(".search").hidden = false;
  await draw();
  listed = undefined;
  await show();
}

async function draw() {
  if (drawing) return;
  try {
    const { Drawing } = await import("/page/drawing.js");
    drawing = new Drawing(byId("graph"), {
      link: (node, field) => to(place, { of: node.title, column: node.fields.find((one) => one.id === field)?.name }),
      opened: chosen,
      said: say,
    });
  } catch (problem) {
    byId("graph").replaceChildren(h("p", { class: "notice" }, "The graph cannot be drawn here; the lists and details are complete. On the service's machine: lakehold pins fetch cytoscape"));
    console.error(problem);
  }
}

function chosen(line) {
  panel.querySelector(".chosen")?.remove();
  panel.prepend(details.line(place, line, graph));
  panel.scrollTop = 0;
}

function stayOut() {
  byId("login").hidden = false;
  return door(byId("login"), enter);
}

async function start() {
  onLoggedOut(() => location.reload()); // nothing that was shown stays behind
  const code = takeCode();
  if (code !== null) {
    try {
      await logIn({ code });
    } catch (problem) {
      if (!loggedIn()) return stayOut()(problem.message);
    }
  }
  return loggedIn() ? enter() : stayOut();
}

search(document.querySelector(".search"), () => place);
byId("log-out").addEventListener("click", logOut);
document.querySelector("[data-skip]").addEventListener("click", (event) => {
  event.preventDefault();
  panel.focus();
});
addEventListener("focus", refresh);
setInterval(refresh, REFRESH);
addEventListener("hashchange", async () => {
  const code = takeCode();
  if (code !== null) await logIn({ code }).catch(() => {});
  if (!loggedIn()) return;
  if (byId("browse").hidden) await enter();
  else await show();
});
await start();
