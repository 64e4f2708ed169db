// The slider through time: it stops where the graph around the thing changed, so no step shows the same twice.

import { count, h, moment } from "/page/dom.js";
import { edges, go, name } from "/page/place.js";
import { ask } from "/page/service.js";

const PAUSE = 150;

export class Time {
  constructor(bar) {
    this.bar = bar;
    this.slider = h("input", { type: "range", id: "time", min: 0, step: 1, "aria-label": "Time" });
    this.said = h("output", { for: "time" });
    this.first = h("small", {});
    this.now = h("button", { type: "button", class: "quiet" }, "Now");
    bar.append(h("label", { for: "time" }, "As of"), this.said, h("div", { class: "track" }, this.first, this.slider), this.now);
    this.slider.addEventListener("input", () => this.moved());
    this.now.addEventListener("click", () => go({ ...this.place, at: "" }));
  }

  // The moments of what is shown; asked for again only when that is another thing.
  async load(place, signal, again = false) {
    const key = JSON.stringify([place.of, place.column, place.direction, place.depth, place.edges]);
    if (!place.of || (key === this.key && !again)) return;
    const around = { of: name(place), direction: place.direction, depth: place.depth, edges: edges(place) };
    this.changes = (await ask("moments", around, signal)).changes;
    this.key = key;
  }

  show(place) {
    this.place = place;
    this.bar.hidden = !place.of || !this.changes?.length;
    if (this.bar.hidden) return;
    // The last stop is now, which is also what the last change left.
    this.stops = [...this.changes.slice(0, -1), { at: "", came: this.changes.at(-1).came, went: this.changes.at(-1).went }];
    this.slider.max = this.stops.length - 1;
    const at = place.at ? this.stops.findLastIndex((stop) => stop.at && stop.at <= place.at) : this.stops.length - 1;
    if (document.activeElement !== this.slider || !this.timer) this.slider.value = Math.max(at, 0);
    this.first.textContent = moment(this.changes[0].at, 10);
    this.slider.disabled = this.stops.length < 2;
    this.now.disabled = !place.at;
    this.say(place.at);
  }

  moved() {
    const stop = this.stops[this.slider.value];
    this.say(stop.at);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      go({ ...this.place, at: stop.at }, true);
    }, PAUSE);
  }

  say(at) {
    const { came, went } = this.stops[this.slider.value];
    const changed = [came && `${count(came, "edge")} came`, went && `${count(went, "edge")} went`].filter(Boolean).join(", ");
    this.said.textContent = at ? `${moment(at)} UTC` : "now";
    this.slider.setAttribute("aria-valuetext", `${this.said.textContent}; ${changed}`);
    this.slider.title = changed;
  }
}
