// The door: a link logs in by itself; without one, the page says how to get one.

import { h } from "/page/dom.js";
import { logIn } from "/page/service.js";

export function door(main, entered) {
  const problem = h("p", { class: "unknown", role: "alert" });
  const token = h("input", { type: "password", id: "token", autocomplete: "off", required: true });
  const enter = async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await logIn({ token: token.value.trim() });
      token.value = "";
      entered();
    } catch (refused) {
      problem.textContent = refused.status === 401 ? "That is not this service's token." : refused.message;
    }
  };
  main.replaceChildren(
    h("h1", {}, "Lineage"),
    h("p", {}, "What is in this platform's tables, where it came from, and whether it was checked."),
    h("p", {}, "To log in, run this where the platform runs, and open the link it prints:"),
    h("pre", {}, h("code", {}, "lakehold lineage page")),
    problem,
    h(
      "details",
      {},
      h("summary", {}, "Use the service's token instead"),
      h("form", { onsubmit: enter }, h("label", { for: "token" }, "Token"), token, h("button", { type: "submit" }, "Log in")),
    ),
    h("p", { class: "aside" }, "This is Lakehold's own page. It is not OpenMetadata."),
  );
  return (text) => (problem.textContent = text);
}

// A link's code leaves the address at once, before anything else can see it.
export function takeCode() {
  const given = new URLSearchParams(location.hash.replace(/^#/, ""));
  const code = given.get("login");
  if (code === null) return null;
  given.delete("login");
  history.replaceState(null, "", `${location.pathname}#${given}`);
  return code;
}
