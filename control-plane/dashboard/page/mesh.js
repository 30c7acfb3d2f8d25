// The first page: how the mesh is, who calls whom, and what to look at.
import {get} from "./api.js";
import {badge, card, choice, element, note, search, show, table, tile} from "./dom.js";
import {milliseconds, outcomeText, percent, rate} from "./format.js";
import {Graph} from "./graph.js";
import {meshOf, namespacesOf, openBreakersOf, partOf} from "./mesh_model.js";
import {sumOf} from "./traffic.js";

const MOST_NODES = 60;
const WINDOWS = [["10", "10 seconds"], ["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]];

// Kept while the page is left and opened again.
const wanted = {window: "60", namespace: "", text: "", view: "graph", order: {column: 2, down: true}};

export class MeshPage {
  constructor(main, parts, refresh) {
    this.main = main;
    this.refreshNow = refresh;
  }

  async refresh(signal) {
    const [traffic, services, proxies] = await Promise.all([
      get("/v1/traffic", {window: wanted.window}, signal), get("/v1/services", {}, signal), get("/v1/proxies", {}, signal)]);
    this.seconds = traffic.seconds;
    this.links = traffic.links;
    this.services = services.items;
    this.proxies = proxies.items;
    this.mesh = meshOf(traffic.links, services.items);
  }

  render() {
    if (!this.frame) this.build();
    show(this.tiles, this.shownTiles());
    show(this.tools, this.shownTools());
    this.showMap();
    show(this.attention, this.shownAttention());
  }

  build() {
    this.tiles = element("div.tiles");
    this.attention = element("div");
    this.tools = element("div.tools");
    this.map = element("div.map");
    this.frame = true;
    this.graph = null;
    show(this.main, element("h1.hidden", {}, "Mesh"), this.tiles, this.attention, element("section.card", {}, this.tools, this.map));
  }

  shownTiles() {
    const all = sumOf(this.links);
    const secure = all.isSecure;
    const synced = this.proxies.filter((proxy) => proxy.connected && proxy.synced).length;
    const open = this.services.reduce((sum, service) => sum + openBreakersOf(service), 0);
    return [
      tile("Success", percent(all.requests - all.failures, all.requests), all.state, all.failures > 0 ? `${all.failures} of ${all.requests} failed` : "no failures"),
      tile("Requests", rate(all.requests, this.seconds), "none", "per second"),
      tile("Latency p95", milliseconds(all.quantile(0.95)), "none", `p50 ${milliseconds(all.quantile(0.5))} · p99 ${milliseconds(all.quantile(0.99))}`),
      tile("Mutual TLS", percent(all.mutualTls, all.events), secure === null ? "none" : secure ? "good" : "fair", secure === false ? "not everywhere" : "of requests and connections"),
      tile("Proxies", `${synced} / ${this.proxies.length}`, synced === this.proxies.length ? "good" : "bad", "in sync"),
      tile("Circuit breakers", open === 0 ? "closed" : `${open} open`, open === 0 ? "good" : "bad", `${this.services.length} services`),
    ];
  }

  shownTools() {
    const change = (name) => (value) => {
      wanted[name] = value;
      this.render();
    };
    const later = (value) => {
      wanted.window = value;
      this.refreshNow();
    };
    return [
      element("div.views", {role: "group", "aria-label": "View"}, [["graph", "Graph"], ["table", "Table"]].map(([id, text]) =>
        element("button.view", {type: "button", "aria-pressed": String(wanted.view === id), "data-key": "view-" + id, onclick: () => change("view")(id)}, text))),
      choice("Last", wanted.window, WINDOWS, later),
      choice("Namespace", wanted.namespace, [["", "all"], ...namespacesOf(this.mesh).map((name) => [name, name])], change("namespace")),
      search("Find", wanted.text, "service or caller", (value) => {
        wanted.text = value;
        this.showMap();
      }),
      wanted.view === "graph" && element("span.zoom", {},
        element("button.quiet", {type: "button", "aria-label": "Smaller", "data-key": "smaller", onclick: () => this.graph?.nearer(0.8)}, "−"),
        element("button.quiet", {type: "button", "aria-label": "Larger", "data-key": "larger", onclick: () => this.graph?.nearer(1.25)}, "+"),
        element("button.quiet", {type: "button", "data-key": "fit", onclick: () => this.graph?.fit()}, "Fit")),
    ];
  }

  showMap() {
    if (this.mesh.edges.size === 0) {
      this.graph = null;
      return show(this.map, note(`Nobody has called anybody in this time. Sidecars report every few seconds; ${this.proxies.length} are known.`));
    }
    if (wanted.view === "table") {
      this.graph = null;
      return show(this.map, this.shownTable());
    }
    const part = partOf(this.mesh, {...wanted, most: MOST_NODES});
    if (part.nodes.size === 0) {
      this.graph = null;
      return show(this.map, note("Nothing has this name."));
    }
    if (!this.graph) {
      this.holder = element("div.graph-holder");
      this.legend = element("p.legend");
      show(this.map, this.holder, this.legend);
      this.graph = new Graph(this.holder);
    }
    this.graph.draw(part, this.seconds);
    show(this.legend, [["good", "no failures"], ["fair", "below 1 % failed"], ["bad", "1 % failed or more"], ["none", "no requests"]].map(([state, text]) =>
      element("span", {}, element(`i.dot.${state}`), text)), element("span", {}, element("i.dash"), "not by mutual TLS"),
    part.leftOut > 0 && element("span", {}, `${part.leftOut} calls are not drawn: find a name, choose a namespace, or see the table`));
  }

  shownTable() {
    const part = partOf(this.mesh, {...wanted, most: Infinity});
    return table({
      caption: "Who calls whom", rows: part.edges, order: wanted.order, empty: "Nothing has this name.",
      onOrder: (order) => {
        wanted.order = order;
        this.showMap();
      },
      columns: [
        {name: "Caller", by: (e) => e.from.label, cell: (e) => nodeLink(e.from)},
        {name: "Service", by: (e) => e.to.label, cell: (e) => nodeLink(e.to)},
        {name: "Success", number: true, by: (e) => e.traffic.failures / (e.traffic.requests || 1), cell: (e) => badge(e.traffic.state, percent(e.traffic.requests - e.traffic.failures, e.traffic.requests))},
        {name: "RPS", number: true, by: (e) => e.traffic.events, cell: (e) => rate(e.traffic.events, this.seconds)},
        {name: "p50", number: true, by: (e) => e.traffic.quantile(0.5) ?? -1, cell: (e) => milliseconds(e.traffic.quantile(0.5))},
        {name: "p95", number: true, by: (e) => e.traffic.quantile(0.95) ?? -1, cell: (e) => milliseconds(e.traffic.quantile(0.95))},
        {name: "p99", number: true, by: (e) => e.traffic.quantile(0.99) ?? -1, cell: (e) => milliseconds(e.traffic.quantile(0.99))},
        {name: "mTLS", by: (e) => e.traffic.mutualTls / (e.traffic.events || 1), cell: (e) => (e.traffic.isSecure ? badge("good", "yes") : badge("fair", percent(e.traffic.mutualTls, e.traffic.events)))},
        {name: "Most frequent error", by: (e) => e.traffic.errors[0]?.count ?? 0, cell: (e) => (e.traffic.errors[0] ? `${outcomeText(e.traffic.errors[0])} (${e.traffic.errors[0].count})` : "")},
      ],
    });
  }

  shownAttention() {
    const failing = [...this.mesh.edges.values()].filter((edge) => edge.traffic.state === "bad").sort((a, b) => b.traffic.failures - a.traffic.failures);
    const refusing = this.proxies.filter((proxy) => proxy.rejection);
    if (failing.length + refusing.length === 0) return [];
    return card("Look at this",
      element("ul.attention", {},
        failing.slice(0, 5).map((edge) => element("li", {}, badge("bad", percent(edge.traffic.failures, edge.traffic.requests) + " fail"), " ",
          edge.from.label, " → ", nodeLink(edge.to), edge.traffic.errors[0] && ": " + outcomeText(edge.traffic.errors[0]))),
        refusing.slice(0, 5).map((proxy) => element("li", {}, badge("bad", "rejected"), " ", element("a", {href: "#/proxies"}, proxy.pod ?? proxy.name), ": ", proxy.rejection)),
        failing.length > 5 && element("li", {}, `and ${failing.length - 5} more`)));
  }
}

function nodeLink(node) {
  if (node.kind !== "service" || !node.namespace) return node.label;
  return element("a", {href: `#/service/${encodeURIComponent(node.namespace)}/${encodeURIComponent(node.name)}`, "data-key": "node-" + node.id}, node.label);
}
