// The service: a session instead of the token, and questions with answers.

const KEY = "lakehold.lineage.session";
let ended = () => {};

export class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const loggedIn = () => localStorage.getItem(KEY) !== null;
export const onLoggedOut = (then) => (ended = then);

// The service forgets the session too; it is not waited for.
export function logOut() {
  const headers = { Authorization: `Bearer ${localStorage.getItem(KEY)}` };
  send("/api/v1/session", { method: "DELETE", headers, keepalive: true }).catch(() => {});
  forget();
}

function forget() {
  localStorage.removeItem(KEY);
  ended();
}

// With the code of a link, or with the service's own token.
export async function logIn({ code, token }) {
  const headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await send("/api/v1/session", { method: "POST", headers, body: JSON.stringify({ code: code ?? "" }) });
  localStorage.setItem(KEY, answer.session);
}

// undefined and empty parameters are left out.
export async function ask(name, parameters = {}, signal = undefined) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const session = localStorage.getItem(KEY);
  try {
    return await send(`/api/v1/${name}?${new URLSearchParams(given)}`, {
      headers: { Authorization: `Bearer ${session}` },
      signal,
    });
  } catch (problem) {
    // Another tab may have logged in since.
    if (problem.status === 401 && localStorage.getItem(KEY) === session) forget();
    throw problem;
  }
}

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ServiceError(0, "The lineage service does not answer. On its machine: lakehold status");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ServiceError(answer.status, body.error ?? `The service answered ${answer.status}.`);
  return body;
}
