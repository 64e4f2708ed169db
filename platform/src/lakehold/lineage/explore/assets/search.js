// The search box: a combobox after the ARIA pattern; what is chosen is gone to.

import { h } from "/page/dom.js";
import { to } from "/page/place.js";
import { ask } from "/page/service.js";

const PAUSE = 120;

export function search(form, placeNow) {
  const input = form.querySelector("input");
  const list = form.querySelector("ul");
  let found = [];
  let at = -1;
  let timer;
  let asked;

  const close = () => {
    list.hidden = true;
    at = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (index) => {
    const one = found[index];
    if (!one) return;
    close();
    input.value = "";
    location.hash = to(placeNow(), thing(one));
  };
  const mark = (index) => {
    at = (index + found.length) % found.length;
    [...list.children].forEach((item, position) => item.setAttribute("aria-selected", String(position === at)));
    list.children[at].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `found-${at}`);
  };
  const look = async () => {
    asked?.abort();
    const words = input.value.trim();
    if (!words) return close();
    asked = new AbortController();
    try {
      found = (await ask("search", { q: words, limit: 30 }, asked.signal)).results;
    } catch (problem) {
      if (problem.name !== "AbortError") close();
      return;
    }
    const items = found.map((one, index) =>
      h(
        "li",
        { role: "option", id: `found-${index}`, "aria-selected": "false", onpointerdown: (event) => event.preventDefault(), onclick: () => choose(index) },
        h("span", {}, one.title),
        h("small", {}, one.kind === "process" ? "job" : one.kind),
      ),
    );
    list.replaceChildren(...(items.length ? items : [h("li", { role: "option", "aria-disabled": "true" }, "Nothing is called so.")]));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    if (items.length) mark(0);
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      input.value = "";
      close();
    } else if (list.hidden || !found.length) {
      if (event.key === "Enter" || event.key === "ArrowDown") look();
      else return;
    } else if (event.key === "ArrowDown") mark(at + 1);
    else if (event.key === "ArrowUp") mark(at - 1);
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", close);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    const writes = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement?.tagName ?? "");
    if (event.key !== "/" || writes || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });
}

const thing = ({ process, table, column }) => (process === null ? { of: table, column } : { job: process });
