// One service: how it goes, who calls it, who answers, what applies to it.
import {get} from "./api.js";
import {LineChart} from "./charts.js";
import {goldenColumns, mutualTlsColumn} from "./columns.js";
import {badge, card, choice, element, note, show, table, tile} from "./dom.js";
import {ago, identity, milliseconds, now, outcomeText, percent, rate, serviceAddress, shownName} from "./format.js";
import {endpointsOf} from "./mesh_model.js";
import {appliesTo, policyAddress, targetText} from "./policy_targets.js";
import {stepsOf, sumOf, sumsBy} from "./traffic.js";

// Window and step in seconds, as text.
const WINDOWS = {240: ["4 minutes", 10], 1800: ["30 minutes", 60], 3600: ["1 hour", 60]};
const wanted = {window: "1800", isChosen: false};
const LAST = 60; // seconds, of the tables
const YOUNG = 600; // what is known of less time than this is shown in fine steps

export class ServicePage {
  constructor(main, [namespace, name], refresh) {
    this.main = main;
    this.namespace = namespace;
    this.name = name;
    this.refreshNow = refresh;
    if (!wanted.isChosen) wanted.window = "1800";
  }

  async refresh(signal) {
    const [services, policies, traffic] = await Promise.all([
      get("/v1/services", {namespace: this.namespace}, signal), get("/v1/policies", {}, signal), get("/v1/traffic", {window: LAST}, signal)]);
    this.service = services.items.find((service) => service.name === this.name && service.namespace === this.namespace) ?? null;
    this.links = traffic.links.filter((link) => link.service.name === this.name && link.service.namespace === this.namespace);
    this.calls = traffic.links.filter((link) => this.service?.identities.includes(link.source.spiffeId));
    this.seconds = traffic.seconds;
    this.policies = policies.items.filter((policy) => appliesTo(policy, this.namespace, this.name));
    const host = this.service?.host ?? this.links[0]?.service.host;
    [this.history, this.routes] = host ? await Promise.all([this.loadHistory(host, signal), get("/v1/traffic/routes", {window: LAST, service: host}, signal)]) : [null, null];
    // Routes may lead all of its requests to other services.
    this.isRouted = this.links.length === 0 && (this.routes?.links ?? []).length > 0;
    if (this.isRouted) this.links = this.routes.links;
  }

  async loadHistory(host, signal) {
    const load = () => get("/v1/traffic/history", {service: host, window: wanted.window, step: WINDOWS[wanted.window][1]}, signal);
    const history = await load();
    const isYoung = !wanted.isChosen && now() - (history.knownFrom ?? 0) < YOUNG;
    const fitting = wanted.isChosen ? wanted.window : isYoung ? "240" : "1800";
    if (fitting === wanted.window) return history;
    wanted.window = fitting;
    return load();
  }

  render() {
    if (!this.frame) this.build();
    const all = sumOf(this.links);
    show(this.tiles, this.shownTiles(all));
    show(this.range, choice("Last", wanted.window, Object.entries(WINDOWS).map(([id, [text]]) => [id, text]), (value) => {
      wanted.window = value;
      wanted.isChosen = true;
      this.refreshNow();
    }));
    this.past.hidden = this.isRouted; // the services that its routes lead to have one
    this.drawCharts();
    show(this.rest, this.shownCallers(), this.shownRoutes(), this.shownErrors(all), this.shownEndpoints(), this.shownCalls(), this.shownPolicies(), this.shownIdentities());
  }

  build() {
    this.frame = true;
    this.charts = {
      rate: new LineChart("Requests per second", [{name: "requests", colour: "accent", fill: true}, {name: "failures", colour: "bad", fill: true}], {format: (v) => rate(v, 1)}),
      success: new LineChart("Success, %", [{name: "success", colour: "good"}], {format: (v) => `${Math.floor(v * 100) / 100} %`, most: 100, floor: (values) => [99, 95, 90, 80, 50].find((floor) => values.every((value) => value > floor)) ?? 0}),
      latency: new LineChart("Latency, ms", [{name: "p50", colour: "good"}, {name: "p95", colour: "fair"}, {name: "p99", colour: "bad"}], {format: milliseconds}),
    };
    this.tiles = element("div.tiles");
    this.range = element("div.tools");
    this.rest = element("div.columns");
    this.past = element("section.card", {}, this.range, element("div.charts", {}, Object.values(this.charts).map((chart) => chart.holder)));
    show(this.main,
      element("p.crumbs", {}, element("a", {href: "#/services"}, "Services"), " / ", this.namespace),
      element("h1", {}, this.name),
      this.tiles,
      this.past,
      this.rest);
  }

  drawCharts() {
    if (!this.history?.steps) return;
    const steps = stepsOf(this.history);
    const time = (at) => (this.history.from + at * this.history.step) * 1000;
    const points = (values) => steps.map((traffic, at) => [time(at), ...values(traffic)]);
    const {step} = this.history;
    this.charts.rate.draw(points((t) => (t ? [t.requests / step, t.failures / step] : [null, null])));
    this.charts.success.draw(points((t) => [t && t.requests > 0 ? (100 * (t.requests - t.failures)) / t.requests : null]));
    this.charts.latency.draw(points((t) => (t ? [t.quantile(0.5), t.quantile(0.95), t.quantile(0.99)] : [null, null, null])));
  }

  recolour() {
    if (this.frame && this.history) this.drawCharts();
  }

  shownTiles(all) {
    const endpoints = this.service ? endpointsOf(this.service) : [];
    const healthy = endpoints.filter((endpoint) => endpoint.health === "healthy").length;
    return [
      tile("Success", percent(all.requests - all.failures, all.requests), all.state, all.failures > 0 ? `${all.failures} of ${all.requests} failed in a minute` : "last minute"),
      tile("Requests", rate(all.events, this.seconds), "none", all.requests === 0 && all.opened > 0 ? "connections per second" : "per second"),
      tile("Latency p95", milliseconds(all.quantile(0.95)), "none", `p50 ${milliseconds(all.quantile(0.5))} · p99 ${milliseconds(all.quantile(0.99))}`),
      tile("Mutual TLS", percent(all.mutualTls, all.events), all.isSecure === null ? "none" : all.isSecure ? "good" : "fair", "of requests and connections"),
      tile("Endpoints", `${healthy} / ${endpoints.length}`, endpoints.length === 0 ? "none" : healthy === endpoints.length ? "good" : "bad", "healthy"),
    ];
  }

  shownCallers() {
    return card("Callers", links(this.links, (link) => link.source, this.seconds, "No calls in the last minute."));
  }

  shownRoutes() {
    const links = this.routes?.links ?? [];
    if (links.length === 0) return null;
    const sums = sumsBy(links, (link) => JSON.stringify([link.route, shownName(link.backend)]));
    const backends = new Map(links.map((link) => [shownName(link.backend), link.backend]));
    const rows = [...sums].map(([key, traffic]) => ({route: JSON.parse(key)[0], backend: JSON.parse(key)[1], traffic})).sort((a, b) => b.traffic.events - a.traffic.events);
    const own = shownName(this);
    const shown = (name) => (backends.get(name).namespace ? element("a", {href: serviceAddress(backends.get(name)), "data-key": "backend-" + name}, name) : name);
    return card("Routes", table({
      rows, caption: "Last minute, as the callers' sidecars chose them", most: 50,
      columns: [
        {name: "Route", cell: (row) => row.route || "default"},
        {name: "Backend", cell: (row) => (row.backend === own ? "this service" : shown(row.backend))},
        ...goldenColumns(this.routes.seconds),
      ],
    }));
  }

  shownCalls() {
    if (this.calls.length === 0) return null;
    return card("Outgoing calls", links(this.calls, (link) => link.service, this.seconds, "", true));
  }

  shownErrors(all) {
    if (all.errors.length === 0) return null;
    return card("Errors and denials", table({
      caption: "Last minute", rows: all.errors.slice(0, 12),
      columns: [
        {name: "Outcome", cell: (outcome) => outcomeText(outcome)},
        {name: "Requests", number: true, cell: (outcome) => outcome.count},
        {name: "Share", number: true, cell: (outcome) => percent(outcome.count, all.requests)},
      ],
    }), element("p", {}, element("a", {href: "#/errors/" + encodeURIComponent(shownName(this)), "data-key": "errors"}, "Causes and explanations")));
  }

  shownEndpoints() {
    if (!this.service) return card("Endpoints", note("Not a service of the mesh: it was called, and the control plane does not know it."));
    const rows = this.service.ports.flatMap((port) => port.endpoints.map((endpoint) => ({port, endpoint})));
    return card("Endpoints", table({
      rows, empty: "It has no endpoints: each request is answered with 503.", caption: "By port",
      columns: [
        {name: "Port", number: true, cell: ({port}) => `${port.number} ${port.protocol}`},
        {name: "Address", cell: ({endpoint}) => element("span.whole", {}, hostPort(endpoint))},
        {name: "Workload", cell: ({endpoint}) => endpoint.workload},
        {name: "Health", cell: ({endpoint}) => badge(endpoint.health === "healthy" ? "good" : endpoint.health === "draining" ? "fair" : "bad", endpoint.health)},
        {name: "Circuit breaker", cell: ({endpoint}) => breaker(endpoint.openBreakers)},
        {name: "Sidecar", cell: ({endpoint}) => (endpoint.meshed ? badge("good", "yes") : badge("fair", "none"))},
      ],
    }));
  }

  shownPolicies() {
    return card("Policies", table({
      rows: this.policies, caption: "For this service, its namespace or the mesh", empty: "No policy is for this service, its namespace or the mesh.",
      columns: [
        {name: "Kind", cell: (policy) => policy.kind},
        {name: "Name", cell: (policy) => element("a", {href: policyAddress(policy), "data-key": "policy-" + policy.kind + policy.metadata.name}, policy.metadata.name)},
        {name: "Target", cell: targetText},
      ],
    }));
  }

  shownIdentities() {
    if (!this.service) return null;
    return card("Identities", note("Callers accept no other certificate from its endpoints."), element("ul.plain", {}, this.service.identities.map((id) => element("li", {}, element("code", {}, id)))));
  }

  end() {
    for (const chart of Object.values(this.charts ?? {})) chart.end();
  }
}

const hostPort = ({address, port}) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`);

function breaker(open) {
  if (!open) return badge("good", "closed");
  return [badge("bad", "open"), ` ${open.reason}, ${ago(open.since)}, seen by ${open.count}`];
}

function links(all, other, seconds, empty, isService = false) {
  const sums = sumsBy(all, (link) => shownName(other(link)));
  const names = new Map(all.map((link) => [shownName(other(link)), other(link)]));
  const rows = [...sums].map(([name, traffic]) => ({name, traffic, of: names.get(name)})).sort((a, b) => b.traffic.events - a.traffic.events);
  return table({
    rows, empty, caption: "Last minute",
    columns: [
      {name: isService ? "Service" : "Caller", cell: (row) => (isService && row.of.namespace ? element("a", {href: serviceAddress(row.of), "data-key": "to-" + row.name}, row.name) : element("span", {title: row.of.spiffeId ? identity(row.of.spiffeId) : ""}, row.name))},
      ...goldenColumns(seconds), mutualTlsColumn,
    ],
  });
}
