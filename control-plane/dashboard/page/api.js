// The API of the control plane, with the session that the link of `tullectl dashboard` has begun.

const KEY = "tulle-session";

class ApiError extends Error {
  constructor(status, error, hint) {
    super(error);
    this.status = status;
    this.hint = hint ?? "";
  }
}

const stored = () => {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
};

let token = stored();

export const isLoggedIn = () => token !== null;

function keep(value) {
  token = value;
  try {
    if (value === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, value);
  } catch { /* it holds until the page is loaded again */ }
}

async function send(method, path, {query, body, signal, keepalive} = {}) {
  const wanted = Object.entries(query ?? {}).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const target = path + (wanted.length > 0 ? "?" + new URLSearchParams(wanted) : "");
  const headers = {};
  if (token !== null) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(target, {method, headers, signal, keepalive, body: body === undefined ? undefined : JSON.stringify(body)});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "the dashboard's connection is gone", "is `tullectl dashboard` still running?");
  }
  let json = null;
  try {
    json = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.ok) return json;
  if (response.status === 401) keep(null);
  throw new ApiError(response.status, json?.error ?? `HTTP status ${response.status}`, json?.hint);
}

export const get = (path, query, signal) => send("GET", path, {query, signal});
export const post = (path, body) => send("POST", path, {body});
// It is sent also while the page goes.
export const remove = (path) => send("DELETE", path, {keepalive: true});

// A path with names in it: path`/v1/x/${name}`.
export const path = (texts, ...names) => texts.map((text, at) => text + (at < names.length ? encodeURIComponent(names[at]) : "")).join("");

// Trades the code of the address for a session. The address keeps nothing of it.
export async function logInByAddress() {
  const found = /^#code=([0-9a-f]+)$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", location.pathname);
  keep(null);
  keep((await post("/v1/dashboard/sessions", {code: found[1]})).token);
}
