// The picture: Cytoscape draws lines and far cards on a canvas; near ones are links on top of it, which anybody can reach.

import cytoscape from "/page/cytoscape.js";
import { cards, lines, partsOf, pull, WIDTH } from "/page/cards.js";
import { checksBadge, count, h, KIND } from "/page/dom.js";
import { layered } from "/page/layered.js";

const NEAR = 0.45; // below this a card's words are too small to read
const MOST_CARDS = 250;
const DRAGGED = 5;
const MANY = 1500;

export class Drawing {
  // link(node, field) → address; opened(line) when a line is chosen; said(text) for those who do not see it.
  constructor(container, { link, opened, said }) {
    Object.assign(this, { container, link, opened, said });
    this.wide = new Set();
    this.cy = cytoscape({
      container,
      autoungrabify: true,
      boxSelectionEnabled: false,
      selectionType: "single",
      minZoom: 0.04,
      maxZoom: 1.6,
      layout: { name: "preset" },
      style: style(container),
    });
    this.layer = h("div", { class: "cards" });
    container.append(this.layer);
    for (const canvas of container.querySelectorAll("canvas")) canvas.setAttribute("aria-hidden", "true");
    this.cy.on("pan zoom resize", () => this.later());
    this.cy.on("tap", "edge", ({ target }) => this.choose(target));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.cy.style(style(container)));
    new ResizeObserver(() => this.cy.resize()).observe(container);
    container.addEventListener("keydown", (event) => this.key(event));
    this.clicksAreNoDrags();
  }

  // focus: {node, field} of what was asked for. The view stays where it is when `key` is that of the last picture.
  show(graph, { focus, checks, key }) {
    this.graph = graph;
    this.focus = focus;
    this.checks = checks;
    if (key !== this.key_) this.wide = new Set([focus?.node]);
    this.arrange();
    if (key !== this.key_) this.fit();
    this.key_ = key;
  }

  arrange() {
    const made = cards(this.graph.nodes, this.wide);
    this.byId = new Map(made.map((card) => [card.id, card]));
    this.lines = lines(this.graph.edges, this.byId);
    const { boxes, bends } = layered(made, this.lines);
    for (const card of made) Object.assign(card, boxes.get(card.id));
    for (const line of this.lines) line.bends = bends.get(line) ?? [];
    this.current = this.focus && this.byId.has(this.focus.node) ? { ...this.focus } : null;
    this.draw();
    const inside = this.layer.contains(document.activeElement);
    this.layer.replaceChildren();
    this.elements = new Map();
    this.render();
    if (inside) this.container.focus({ preventScroll: true });
  }

  draw() {
    const many = this.byId.size > MANY;
    const renderer = this.cy.renderer();
    renderer.hideEdgesOnViewport = many;
    renderer.textureOnViewport = many;
    this.cy.batch(() => {
      this.cy.elements().remove();
      this.cy.add([...this.byId.values()].map((card) => box(card, this.focus)));
      this.cy.add(this.lines.filter((line) => line.from !== line.to).map((line) => curve(line, this.byId)));
    });
  }

  fit() {
    this.cy.fit(undefined, 24);
    const focused = this.focus && this.byId.get(this.focus.node);
    if (this.cy.zoom() > 1) this.cy.zoom(1);
    if (focused && this.cy.zoom() < 0.5) {
      this.cy.zoom(0.8);
      this.cy.center(this.cy.getElementById(`n${focused.id}`));
    } else this.cy.center();
    this.render();
  }

  zoom(by) {
    const { width, height } = this.container.getBoundingClientRect();
    this.cy.zoom({ level: this.cy.zoom() * by, renderedPosition: { x: width / 2, y: height / 2 } });
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.render();
    });
  }

  // Cards in sight become elements, when there are few enough and near enough to read.
  render() {
    const { x, y } = this.cy.pan();
    const zoom = this.cy.zoom();
    this.layer.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    const seen = zoom < NEAR ? [] : this.inSight();
    const wanted = new Set(seen.length > MOST_CARDS ? [] : seen.map((card) => card.id));
    for (const [id, element] of this.elements ?? []) {
      if (wanted.has(id) || element.contains(document.activeElement)) continue;
      element.remove();
      this.elements.delete(id);
    }
    for (const id of wanted) {
      if (this.elements.has(id)) continue;
      const element = this.element(this.byId.get(id));
      this.elements.set(id, element);
      this.layer.append(element);
    }
  }

  inSight() {
    const { x1, y1, x2, y2 } = this.cy.extent();
    return [...(this.byId?.values() ?? [])].filter(
      (card) =>
        card.x + WIDTH / 2 > x1 && card.x - WIDTH / 2 < x2 && card.y + card.height / 2 > y1 && card.y - card.height / 2 < y2,
    );
  }

  element(card) {
    const { node, shown, more } = card;
    const [schema, name] = partsOf(node);
    const isFocus = (field) => this.focus?.node === node.id && (this.focus.field ?? null) === field;
    const anchor = (field, properties, ...children) => {
      const current = isFocus(field) ? "true" : undefined;
      const at = { href: this.link(node, field), tabindex: "-1", draggable: "false", "data-field": field ?? "", "aria-current": current };
      return h("a", { ...at, ...properties, onfocus: () => this.stand({ node: node.id, field }) }, ...children);
    };
    const head = anchor(
      null,
      { class: "head", title: node.title },
      h("small", {}, schema || KIND[node.kind], this.checks?.get(node.id) ? checksBadge(this.checks.get(node.id)) : null),
      " ",
      h("strong", {}, name),
    );
    const rows = shown.map((field) =>
      h("li", {}, anchor(field.id, { title: `${field.name} ${field.type}` }, h("span", {}, field.name), " ", h("small", {}, field.type))),
    );
    const open = () => {
      this.wide.add(node.id);
      this.arrange();
    };
    if (more) rows.push(h("li", {}, h("button", { type: "button", tabindex: "-1", onclick: open }, `${count(more, "more column")}`)));
    const element = h("article", { class: `card ${node.kind}${this.focus?.node === node.id ? " focus" : ""}` }, head);
    if (rows.length) element.append(h("ul", {}, rows));
    element.addEventListener("pointerenter", () => this.mark(node.id, true));
    element.addEventListener("pointerleave", () => this.mark(node.id, false));
    Object.assign(element.style, {
      left: `${card.x - WIDTH / 2}px`,
      top: `${card.y - card.height / 2}px`,
      width: `${WIDTH}px`,
      height: `${card.height}px`,
    });
    return element;
  }

  // The lines of a card stand out while it is looked at.
  mark(id, on) {
    this.cy.getElementById(`n${id}`).connectedEdges().toggleClass("near", on);
  }

  choose(element) {
    this.cy.edges(".chosen").removeClass("chosen");
    element.addClass("chosen");
    this.opened(element.data("line"));
  }

  // Keys: arrows go along lines and between rows, and everything a mouse does can be done.
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit(),
      ArrowLeft: () => this.along("to", "from"),
      ArrowRight: () => this.along("from", "to"),
      ArrowUp: () => this.beside(-1),
      ArrowDown: () => this.beside(1),
    }[event.key];
    if (act) act();
    else if (event.key === "Enter" && event.target === this.container && this.current) {
      location.hash = this.link(this.byId.get(this.current.node).node, this.current.field);
    } else return;
    event.preventDefault();
  }

  along(near, far) {
    if (!this.current) return this.goTo(this.first());
    const { node, field } = this.current;
    const own = this.lines.filter((line) => line[near] === node && line[far] !== node);
    const side = { from: "source", to: "target" };
    const ofField = own.filter((line) => line.edges.some((edge) => edge[side[near]].field === field));
    const height = this.byId.get(node).y;
    const nearest = (field !== null && ofField.length ? ofField : own).sort(
      (a, b) => Math.abs(this.byId.get(a[far]).y - height) - Math.abs(this.byId.get(b[far]).y - height),
    )[0];
    if (!nearest) return this.said(near === "to" ? "Nothing leads here." : "This leads nowhere.");
    const card = this.byId.get(nearest[far]);
    const edge = nearest.edges.find((one) => field !== null && one[side[near]].field === field) ?? nearest.edges[0];
    const end = field !== null && card.shown.find((row) => row.id === edge[side[far]].field);
    return this.goTo({ node: card.id, field: end ? end.id : null });
  }

  beside(step) {
    if (!this.current) return this.goTo(this.first());
    const here = this.byId.get(this.current.node);
    const column = [...this.byId.values()].filter((card) => card.x === here.x).sort((a, b) => a.y - b.y);
    const stops = column.flatMap((card) => [null, ...card.shown.map((row) => row.id)].map((field) => ({ node: card.id, field })));
    const at = stops.findIndex((stop) => stop.node === here.id && stop.field === (this.current.field ?? null));
    return stops[at + step] && this.goTo(stops[at + step]);
  }

  first() {
    const top = [...this.byId.values()].sort((a, b) => a.x - b.x || a.y - b.y)[0];
    return top && { node: top.id, field: null };
  }

  goTo(stop) {
    if (!stop) return;
    const card = this.byId.get(stop.node);
    if (this.cy.zoom() < 0.6) this.cy.zoom(0.8);
    const { x1, y1, x2, y2 } = this.cy.extent();
    const inside = card.x - WIDTH / 2 > x1 && card.x + WIDTH / 2 < x2 && card.y - card.height / 2 > y1 && card.y + card.height / 2 < y2;
    if (!inside) this.cy.center(this.cy.getElementById(`n${card.id}`));
    this.render();
    this.stand(stop);
    this.elements.get(card.id)?.querySelector(`[data-field="${stop.field ?? ""}"]`)?.focus({ preventScroll: true });
    const row = card.shown.find((field) => field.id === stop.field);
    this.said(row ? `${row.name} of ${card.node.title}` : `${card.node.title}, ${KIND[card.node.kind]}`);
  }

  stand(stop) {
    this.current = stop;
    for (const one of this.layer.querySelectorAll('a[tabindex="0"]')) one.tabIndex = -1;
    const link = this.elements.get(stop.node)?.querySelector(`[data-field="${stop.field ?? ""}"]`);
    if (link) link.tabIndex = 0;
  }

  // A link that was pulled aside with the whole picture was not clicked.
  clicksAreNoDrags() {
    let from = null;
    this.layer.addEventListener("pointerdown", (event) => (from = event), true);
    const moved = (event) => from && Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > DRAGGED;
    this.layer.addEventListener("click", (event) => moved(event) && (event.preventDefault(), event.stopPropagation()), true);
    // On a touch screen Cytoscape takes what begins in its container; a tap on a link is the link's.
    this.layer.addEventListener("touchstart", (event) => event.stopPropagation());
  }
}

const box = (card, focus) => ({
  group: "nodes",
  data: { id: `n${card.id}`, label: partsOf(card.node)[1], width: card.width, height: card.height },
  position: { x: card.x, y: card.y },
  classes: `${card.node.kind}${focus?.node === card.id ? " focus" : ""}`,
  pannable: true,
  selectable: false,
});

function curve(line, byId) {
  const [from, to] = [byId.get(line.from), byId.get(line.to)];
  const start = { x: from.x + from.width / 2, y: from.y + line.fromY };
  const end = { x: to.x - to.width / 2, y: to.y + line.toY };
  return {
    group: "edges",
    data: {
      id: line.id,
      source: `n${line.from}`,
      target: `n${line.to}`,
      sourceEnd: `${from.width / 2} ${line.fromY}`,
      targetEnd: `${-to.width / 2} ${line.toY}`,
      line,
      ...pull(start, end, line.bends),
    },
    classes: line.direct ? "direct" : "indirect",
    pannable: true,
  };
}

function style(container) {
  const colours = getComputedStyle(container);
  const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
  return [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        "corner-radius": 8,
        width: "data(width)",
        height: "data(height)",
        "background-color": colour("surface"),
        "border-width": 1.5,
        "border-color": colour("line"),
        label: "data(label)",
        color: colour("text"),
        "font-family": "system-ui, sans-serif",
        "font-size": 26,
        "min-zoomed-font-size": 7,
        "text-valign": "center",
        "text-wrap": "ellipsis",
        "text-max-width": WIDTH - 20,
        "overlay-opacity": 0,
      },
    },
    { selector: "node.file, node.other", style: { "background-color": colour("file") } },
    { selector: "node.focus", style: { "border-color": colour("accent"), "border-width": 3 } },
    {
      selector: "edge",
      style: {
        "curve-style": "unbundled-bezier",
        "edge-distances": "endpoints",
        "source-endpoint": "data(sourceEnd)",
        "target-endpoint": "data(targetEnd)",
        "control-point-weights": (edge) => edge.data("weights"),
        "control-point-distances": (edge) => edge.data("distances"),
        width: 1.6,
        "line-color": colour("edge"),
        "target-arrow-color": colour("edge"),
        "target-arrow-shape": "triangle",
        "arrow-scale": 0.8,
        "overlay-opacity": 0,
      },
    },
    { selector: "edge.indirect", style: { "line-style": "dashed", "line-dash-pattern": [5, 4] } },
    { selector: "edge.near", style: { "line-color": colour("accent"), "target-arrow-color": colour("accent"), "z-index": 5 } },
    {
      selector: "edge.chosen",
      style: { "line-color": colour("accent"), "target-arrow-color": colour("accent"), width: 3, "z-index": 9 },
    },
  ];
}
