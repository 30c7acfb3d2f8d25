// The frame: who may see it, which page is shown, and when it is brought up to date. What is shown
// stays while the control plane does not answer.
import {isLoggedIn, logInByAddress} from "./api.js";
import {element, show} from "./dom.js";
import {clock} from "./format.js";
import {setUpTheme} from "./theme.js";
import {ErrorsPage} from "./errors.js";
import {MeshPage} from "./mesh.js";
import {PoliciesPage} from "./policies.js";
import {ProxiesPage} from "./proxies.js";
import {RequestPage} from "./request.js";
import {ServicePage} from "./service.js";
import {ServicesPage} from "./services.js";
import {TapPage} from "./tap.js";
import {TracePage} from "./trace.js";
import {TracesPage} from "./traces.js";

const PAGES = {
  mesh: ["Mesh", MeshPage],
  services: ["Services", ServicesPage],
  service: [null, ServicePage],
  traces: ["Traces", TracesPage],
  trace: [null, TracePage],
  errors: ["Errors", ErrorsPage],
  request: [null, RequestPage],
  tap: ["Tap", TapPage],
  proxies: ["Proxies", ProxiesPage],
  policies: ["Policies", PoliciesPage],
};
// Pages that others lead to.
const PARENTS = {service: "services", trace: "traces", request: "errors"};
const EVERY = 5000;

const main = document.getElementById("main");
const problem = document.getElementById("problem");
const live = document.getElementById("live");
const state = document.getElementById("state");
const updated = document.getElementById("updated");
const pause = document.getElementById("pause");

let page = null; // has render(), and maybe refresh(signal), fail(error) if there is no such thing, end() and period
let address = null;
let running = null; // the AbortController of a refresh
let timer = null;
let isPaused = false;

const CLASSES = {paused: "live paused", "update failed": "live failed"};

// The state is read aloud when it changes, the time never.
function sayState(text, time = "") {
  if (state.textContent !== text) state.textContent = text;
  updated.textContent = time;
  live.className = CLASSES[text] ?? "live";
}

function sayRun() {
  show(problem);
  show(main, element("section.card.login", {},
    element("h1", {}, "Open the dashboard by its link"),
    element("p", {}, "You are not logged in, or your session has ended. In a terminal on this computer, run"),
    element("pre", {}, element("code", {}, "tullectl dashboard")),
    element("p", {}, "and open the link that it prints. The link works once, within a minute; the session lasts 8 hours, or until tullectl ends.")));
  sayState("");
  document.body.classList.add("logged-out");
}

function sayProblem(error) {
  const text = [error.message, error.hint].join(" ");
  if (problem.textContent === text) return; // not read aloud again
  show(problem, element("section.card.problem", {role: "alert"}, element("h2", {}, error.message), " ", error.hint && element("p", {}, error.hint)));
}

function showNav(name) {
  const chosen = PARENTS[name] ?? name;
  show(document.getElementById("nav"), Object.entries(PAGES).filter(([, [title]]) => title).map(([id, [title]]) =>
    element("a", {href: "#/" + id, "data-key": "nav-" + id, "aria-current": id === chosen ? "page" : null}, title)));
  document.querySelector("#nav [aria-current]")?.scrollIntoView({block: "nearest", inline: "center"});
}

// "#/service/shop/cart" -> ["service", "shop", "cart"]
function placeOf(hash) {
  const parts = hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return Object.hasOwn(PAGES, parts[0]) ? parts : ["mesh"];
}

async function refresh() {
  clearTimeout(timer);
  running?.abort();
  const mine = (running = new AbortController());
  const shown = page;
  try {
    await shown.refresh?.(mine.signal);
    if (mine.signal.aborted) return;
    show(problem);
    shown.render();
    sayState(isPaused ? "paused" : "live", isPaused ? "" : " · " + clock(Date.now()));
  } catch (error) {
    if (error.name === "AbortError" || mine.signal.aborted) return;
    if (!isLoggedIn()) return sayRun();
    sayState("update failed");
    main.querySelector(".loading")?.remove();
    if (error.status === 404 && shown.fail) shown.fail(error);
    else sayProblem(error);
    if (!("status" in error)) console.error(error);
  }
  if (!isPaused && !document.hidden) timer = setTimeout(refresh, shown.period ?? EVERY);
}

function open() {
  if (location.hash === "#main") return;
  if (!isLoggedIn()) return sayRun();
  document.body.classList.remove("logged-out");
  const [name, ...rest] = placeOf(location.hash);
  const here = [name, ...rest].join("/");
  if (here === address) return;
  const isOtherPage = address === null || name !== address.split("/")[0];
  address = here;
  page?.end?.();
  page = new PAGES[name][1](main, rest, refresh);
  document.title = (PAGES[name][0] ?? rest.join(" ")) + " · Tulle";
  showNav(name);
  show(problem);
  show(main, element("p.loading", {}, "Loading …"));
  if (isOtherPage) scrollTo(0, 0);
  refresh();
}

pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  pause.textContent = isPaused ? "Resume" : "Pause";
  if (page) refresh();
});
addEventListener("hashchange", () => (location.hash.startsWith("#code=") ? location.reload() : open()));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (page && isLoggedIn() && !isPaused) refresh();
});
setUpTheme(document.getElementById("theme"), () => page?.recolour?.());
showNav("mesh");
try {
  await logInByAddress();
  open();
} catch (error) {
  sayRun();
  sayProblem(error);
}
