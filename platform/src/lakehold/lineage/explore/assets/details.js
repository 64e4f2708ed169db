// What is known of one thing, as text: everything the picture shows can be read and reached here too.

import { badge, BELIEVED, checksBadge, columnTitle, count, duration, h, HOW, JOB, KIND, moment, runBadge } from "/page/dom.js";
import { to } from "/page/place.js";

export function table(place, node, graph, checks) {
  const column = place.column ? node.fields.find((field) => field.name === place.column) : null;
  return column ? aColumn(place, node, column, graph, checks) : aTable(place, node, graph, checks);
}

function aTable(place, node, graph, checks) {
  const columnsOf = section("Columns", node.fields.length, columns(place, node), true);
  const checksOf = section("Checks", node.results.length, results(node.results, true), true);
  const failed = node.results.some((result) => !result.success && result.details?.severity !== "warn");
  return [
    heading(KIND[node.kind] ?? node.kind, node.title, node.description),
    summary(checks.get(node.id)),
    ...(failed ? [checksOf, columnsOf] : [columnsOf, checksOf]),
    section("Comes from", ...neighbours(place, node, graph, "up")),
    section("Goes to", ...neighbours(place, node, graph, "down")),
    section("Jobs", node.processes.length, jobs(place, node.processes)),
    section("Runs", node.runs.length, runs(place, node.runs)),
    section("Snapshots", node.snapshots.length, snapshots(place, node.snapshots)),
    ...(node.statements ?? (node.statement ? [node.statement] : [])).filter((one) => one.sql).map((one) => statement(one)),
    h("p", { class: "aside" }, `First seen ${moment(node.first_seen)}, last ${moment(node.last_seen)} UTC.`),
  ];
}

function aColumn(place, node, column, graph, checks) {
  const own = node.results.filter((result) => result.column === column.name);
  const rest = node.results.filter((result) => result.column !== column.name);
  const unknown = node.unknown?.[column.name];
  return [
    heading(`column of ${node.title}`, column.name, column.description, h("code", {}, column.type)),
    summary(checks.get(node.id), `${node.title}: `),
    unknown ? h("p", { class: "unknown" }, badge("quiet", "not known"), ` Where its values come from is not known: ${unknown}.`) : null,
    section("Comes from", ...neighbours(place, node, graph, "up", column)),
    way(place, node, graph, checks),
    section("Goes to", ...neighbours(place, node, graph, "down", column)),
    section("Checks of this column", own.length, results(own), true),
    section(`Checks of the rest of ${node.title}`, rest.length, results(rest, true)),
    h("p", {}, h("a", { href: to(place, { of: node.title }) }, `All of ${node.title}`)),
  ];
}

// Every table behind a column, step by step, with its checks: the way back to where the data came in.
function way(place, node, graph, checks) {
  const tables = graph.nodes.filter((one) => one.id !== node.id && one.distance < 0).sort((a, b) => b.distance - a.distance);
  const steps = tables.map((one) => {
    const columns = one.fields.filter((field) => field.name !== "");
    return h(
      "li",
      {},
      h("a", { href: to(place, { of: one.title }) }, one.title),
      " ",
      one.kind === "table" ? null : h("small", {}, KIND[one.kind]),
      checks.has(one.id) ? checksBadge(checks.get(one.id)) : null,
      columns.length ? h("div", { class: "names" }, joined(columns.map((field) => link(place, one, field)))) : null,
    );
  });
  return section("The way back", tables.length, h("ol", { class: "way" }, steps), true);
}

// The next step in one direction: what, how, by which job.
function neighbours(place, node, graph, direction, column) {
  if (![direction, "both"].includes(place.direction)) return [];
  const [own, far] = direction === "up" ? ["target", "source"] : ["source", "target"];
  const byId = new Map(graph.nodes.map((one) => [one.id, one]));
  const jobOf = new Map(graph.processes.map((one) => [one.id, one]));
  const found = new Map();
  const rows = byId.get(node.id)?.fields.find((one) => one.name === "")?.id;
  for (const edge of graph.edges) {
    if (edge[own].node !== node.id) continue;
    // An edge that decides about every row concerns each column.
    const ofRows = own === "target" && edge.how !== "" && edge.target.field === rows;
    if (column && edge[own].field !== column.id && !ofRows) continue;
    const end = byId.get(edge[far].node);
    const field = end?.fields.find((one) => one.id === edge[far].field && one.name !== "") ?? null;
    const shown = column ? field : null;
    const key = `${edge[far].node} ${shown?.id ?? ""}`;
    if (!end) continue;
    if (!found.has(key)) found.set(key, { end, field: shown, hows: new Set(), jobs: new Map(), expressions: new Set(), columns: new Set() });
    const entry = found.get(key);
    if (edge.how) entry.hows.add(edge.how);
    if (field && !column) entry.columns.add(field.id);
    if (edge.expression) entry.expressions.add(edge.expression);
    if (jobOf.has(edge.process)) entry.jobs.set(edge.process, jobOf.get(edge.process));
  }
  const items = [...found.values()].map((entry) =>
    h(
      "li",
      {},
      link(place, entry.end, entry.field, true),
      " ",
      [...entry.hows].map((how) => h("span", { class: "how" }, HOW[how] ?? how.toLowerCase())),
      [...entry.expressions].slice(0, 3).map((text) => h("code", { class: "expression" }, text)),
      entry.jobs.size ? h("small", { class: "by" }, "by ", joined([...entry.jobs.values()].map((job) => jobLink(place, job)))) : null,
    ),
  );
  const nothing = direction === "up" ? "Nothing that was seen leads here." : "Nothing that was seen reads this.";
  return [items.length, items.length ? h("ul", { class: "near" }, items) : h("p", { class: "aside" }, nothing), true];
}

const link = (place, node, field, whole = false) =>
  h(
    "a",
    { href: to(place, { of: node.title, column: field?.name }) },
    field ? (whole ? columnTitle(node, field.name) : field.name) : node.title,
  );
const jobLink = (place, job) => h("a", { href: to(place, { job: job.id }) }, job.name);
const joined = (links) => links.flatMap((one, index) => (index ? [", ", one] : [one]));

function heading(kind, title, description, more) {
  return h(
    "header",
    {},
    h("p", { class: "kind" }, kind),
    h("h2", { tabindex: "-1" }, title),
    more ?? null,
    description ? h("p", { class: "description" }, description) : null,
  );
}

function summary(checks, of = "") {
  const shown = checks && checksBadge(checks);
  return shown ? h("p", { class: "summary" }, of, shown, (checks.failed || checks.warned) && checks.passed ? ` ${checks.passed} passed` : "") : null;
}

function section(title, number, content, open = false) {
  if (!content || (!number && title !== "Comes from" && title !== "Goes to")) return null;
  return h("details", { open, "data-section": title }, h("summary", {}, h("h3", {}, title), h("span", { class: "number" }, number)), content);
}

function columns(place, node) {
  return h(
    "ul",
    { class: "columns" },
    node.fields.map((field) =>
      h(
        "li",
        {},
        h("a", { href: to(place, { of: node.title, column: field.name }) }, field.name),
        h("code", {}, field.type),
        node.unknown?.[field.name] ? badge("quiet", "sources not known") : null,
        field.description ? h("small", {}, field.description) : null,
      ),
    ),
  );
}

function results(list, named = false) {
  return h(
    "ul",
    { class: "results" },
    list.map((result) =>
      h(
        "li",
        {},
        outcome(result),
        h("span", {}, result.name.replaceAll("_", " "), named && result.column ? h("small", {}, ` of ${result.column}`) : null),
        h("small", {}, result.details?.description ?? "", observed(result.details)),
        h("time", { datetime: result.at }, moment(result.at)),
      ),
    ),
  );
}

function outcome({ success, details }) {
  if (success) return badge("good", "passed");
  return details?.severity === "warn" ? badge("busy", "warning") : badge("bad", "failed");
}

const observed = (details) => (details?.actual === undefined ? "" : ` Found: ${details.actual}.`);

function jobs(place, processes) {
  return h(
    "ul",
    { class: "near" },
    processes.map((job) =>
      h("li", {}, h("span", { class: "how" }, job.role), " ", jobLink(place, job), h("small", { class: "by" }, `${JOB[job.kind] ?? job.kind}, last ${moment(job.last_seen)}`)),
    ),
  );
}

function runs(place, list) {
  return h(
    "ul",
    { class: "near" },
    list.map((run) =>
      h(
        "li",
        {},
        runBadge(run.state),
        " ",
        h("a", { href: to(place, { run: run.id }) }, moment(run.started_at, 19)),
        " ",
        h("small", {}, `${(run.roles ?? []).join(" and ")} ${duration(run.started_at, run.ended_at)}`),
        h("small", { class: "by" }, run.job),
      ),
    ),
  );
}

function snapshots(place, list) {
  return h(
    "ul",
    { class: "near" },
    list.map((snapshot) =>
      h(
        "li",
        {},
        h("code", {}, snapshot.id),
        ` ${snapshot.operation} `,
        h("time", { datetime: snapshot.committed_at }, moment(snapshot.committed_at, 19)),
        h("small", { class: "by" }, snapshot.run_id ? h("a", { href: to(place, { run: snapshot.run_id }) }, "its run") : "no run explains it"),
      ),
    ),
  );
}

function statement({ sql, dialect, believed, title, at }) {
  const name = title ? `Statement into ${title}` : "Statement";
  const said = [dialect && `${dialect}, `, `ran ${moment(at)} UTC. `, BELIEVED[believed] ?? ""];
  return section(name, dialect || "SQL", [h("p", { class: "aside" }, said), h("pre", { tabindex: "0" }, h("code", {}, sql.trim()))]);
}

// A line of the picture: every edge it stands for.
export function line(place, chosen, graph) {
  const byId = new Map(graph.nodes.map((one) => [one.id, one]));
  const jobOf = new Map(graph.processes.map((one) => [one.id, one]));
  const end = ({ node, field }) => {
    const found = byId.get(node);
    return link(place, found, found.fields.find((one) => one.id === field && one.name !== ""), true);
  };
  return h(
    "section",
    { class: "chosen", "aria-label": "The chosen line" },
    chosen.edges.slice(0, 20).map((edge) =>
      h(
        "p",
        {},
        end(edge.source),
        " → ",
        end(edge.target),
        " ",
        edge.how ? h("span", { class: "how" }, HOW[edge.how]) : null,
        edge.expression ? h("code", { class: "expression" }, edge.expression) : null,
        h("small", { class: "by" }, jobOf.has(edge.process) ? ["by ", jobLink(place, jobOf.get(edge.process)), ". "] : null, `${BELIEVED[edge.believed] ?? ""} `, `Since ${moment(edge.first_seen)}, last ${moment(edge.last_seen)} UTC.`),
      ),
    ),
    chosen.edges.length > 20 ? h("p", { class: "aside" }, `and ${count(chosen.edges.length - 20, "more edge")}`) : null,
  );
}

export function job(place, process) {
  const listed = (nodes) => h("ul", { class: "near" }, nodes.map((node) => h("li", {}, link(place, node, null))));
  return [
    heading(JOB[process.kind] ?? process.kind, process.name),
    process.runs.length ? h("p", { class: "summary" }, "Latest run: ", runBadge(process.runs[0].state)) : null,
    section("Reads", process.reads.length, listed(process.reads), true),
    section("Writes", process.writes.length, listed(process.writes), true),
    section("Runs", process.runs.length, runs(place, process.runs), true),
    process.statements.map((one) => statement(one)),
    h("p", { class: "aside" }, `Namespace ${process.namespace}. First seen ${moment(process.first_seen)}, last ${moment(process.last_seen)} UTC.`),
  ];
}

export function run(place, { run: found, children, events }) {
  const datasets = (list) => h("ul", { class: "near" }, list.map((one) => h("li", {}, h("code", {}, `${one.namespace} ${one.name}`))));
  return [
    heading("run", found.job_name),
    h("p", { class: "summary" }, runBadge(found.state), ` ${duration(found.started_at, found.ended_at)}`),
    h("p", {}, `From ${moment(found.started_at, 19)} to ${moment(found.ended_at, 19) || "…"} UTC.`),
    found.parent_run_id ? h("p", {}, "Part of ", h("a", { href: to(place, { run: found.parent_run_id }) }, found.parent_job_name ?? found.parent_run_id)) : null,
    section("Read", found.inputs.length, datasets(found.inputs), true),
    section("Wrote", found.outputs.length, datasets(found.outputs), true),
    section("Its parts", children.length, runs(place, children.map((one) => ({ ...one, id: one.run_id, job: one.job_name }))), true),
    section(
      "Events",
      events.length,
      h("ul", { class: "near" }, events.map((one) => h("li", {}, `${one.event_type ?? one.kind} `, h("time", { datetime: one.event_time }, moment(one.event_time, 23))))),
    ),
    h("p", { class: "aside" }, "Run ", h("code", {}, found.run_id)),
  ];
}

export function overview(graph) {
  return [
    heading("everything", "All tables", "Choose a table in the list or in the graph: its columns, where they come from, its checks, jobs and runs are shown here."),
    h("p", {}, `${count(graph.nodes.length, "table")} and files, ${count(graph.edges.length, "edge")} between them.`),
    h("p", { class: "aside" }, "This page shows what Lakehold's own lineage service has seen. It is not OpenMetadata and needs none; the same graph can be sent there."),
  ];
}
