// What the picture shows: which way, how far, which edges.

import { h } from "/page/dom.js";
import { edges, go } from "/page/place.js";

const DIRECTIONS = { up: "Where from", both: "Both", down: "Where to" };
const EDGES = { tables: "Tables", direct: "Values", all: "Values and rows" };
const FANS = ["10", "25", "100", "1000"];
const DEPTHS = ["1", "2", "3", "5", "10", "20"];

export class Controls {
  constructor(form, { fit, zoom }) {
    this.form = form;
    this.choices = [
      this.choice("direction", "Direction", DIRECTIONS),
      this.choice("edges", "Edges", EDGES),
      this.choice("depth", "Steps", Object.fromEntries(DEPTHS.map((depth) => [depth, depth]))),
      this.choice("fan", "Tables a step", Object.fromEntries(FANS.map((fan) => [fan, fan]))),
    ];
    const tool = (label, sign, act) => h("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick: act }, sign);
    this.around = h("span", { class: "around" }, this.choices.map(({ label }) => label));
    form.append(
      this.around,
      h("span", { class: "tools" }, tool("Zoom out", "−", () => zoom(0.8)), tool("Zoom in", "+", () => zoom(1.25)), tool("Show everything", "Fit", fit)),
    );
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  choice(key, name, options) {
    const select = h("select", {}, Object.entries(options).map(([value, text]) => h("option", { value }, text)));
    select.addEventListener("change", () => go({ ...this.place, [key]: select.value }));
    return { key, select, label: h("label", {}, h("span", {}, name), select) };
  }

  show(place) {
    this.place = place;
    this.around.hidden = !place.of;
    for (const { key, select } of this.choices) select.value = key === "edges" ? edges(place) : place[key];
  }
}
