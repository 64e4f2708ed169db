// Elements, times and words: what every part of the page writes with. Text is always text, never markup.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

// 2026-11-21 08:30 UTC; a moment between two others needs its seconds.
export const moment = (text, letters = 16) => (text ? `${text.slice(0, letters).replace("T", " ")}` : "");

export function duration(start, end) {
  if (!start || !end) return "";
  const seconds = (new Date(end) - new Date(start)) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds / 60);
  return whole < 60 ? `${whole} min` : `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

// A column as a person writes it: after a dot in the catalog, after # anywhere else.
export const columnTitle = (node, column) => {
  const dotted = node.title === node.name && node.name.split(".").length === 2;
  return `${node.title}${dotted ? "." : "#"}${column}`;
};

export const HOW = {
  "": "is read",
  IDENTITY: "as it is",
  TRANSFORMATION: "computed",
  AGGREGATION: "aggregated",
  JOIN: "joins rows",
  FILTER: "filters rows",
  GROUP_BY: "groups rows",
  SORT: "sorts rows",
  WINDOW: "orders a window",
  CONDITIONAL: "decides the value",
};
export const KIND = { table: "table", view: "view", file: "file", other: "dataset" };
export const JOB = { task: "Airflow task", model: "dbt model", spark: "Spark application", query: "queries", person: "a person's queries" };
export const BELIEVED = {
  facet: "The engine said so itself.",
  sql: "Read from the SQL that ran.",
  names: "Columns of the same name; nothing more is known.",
};

// The state of checks or of a run, as colour, sign and word at once.
export function badge(state, text) {
  const signs = { good: "✓", bad: "✕", busy: "!", quiet: "–" };
  return h("span", { class: `badge ${state}` }, h("span", { "aria-hidden": "true" }, signs[state]), ` ${text}`);
}

export const RUN_STATE = { COMPLETE: "good", FAIL: "bad", ABORT: "bad", RUNNING: "busy" };
export const runBadge = (state) => badge(RUN_STATE[state] ?? "quiet", (state ?? "unknown").toLowerCase());

// The worst of the checks; nothing where nothing was checked.
export function checksBadge({ passed, warned, failed }) {
  if (failed) return badge("bad", `${count(failed, "check")} failed`);
  if (warned) return badge("busy", count(warned, "warning"));
  return passed ? badge("good", `${count(passed, "check")} passed`) : null;
}
