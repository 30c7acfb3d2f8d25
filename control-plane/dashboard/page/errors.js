// Failures of the mesh by cause. An example of each is explained on a page of its own.
import {get} from "./api.js";
import {badge, card, choice, element, note, search, show, table} from "./dom.js";
import {ago, identity, shortHost} from "./format.js";
import {causeText, recordTable, requestAddress} from "./records.js";

const WINDOWS = [["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]];
const wanted = {window: "600", text: "", order: null};

const keyOf = (group) => JSON.stringify([group.cause, group.status, group.service, group.source]);

export class ErrorsPage {
  // `text`: what to find.
  constructor(main, [text], refresh) {
    if (text !== undefined) wanted.text = text;
    this.main = main;
    this.refreshNow = refresh;
    this.group = null; // whose requests are listed
    this.requests = null;
  }

  // To list requests, all sidecars are asked.
  get period() {
    return this.group ? 10e3 : 5e3;
  }

  async refresh(signal) {
    this.failures = await get("/v1/failures", {window: wanted.window}, signal);
    if (this.group) await this.loadRequests(signal);
  }

  async loadRequests(signal) {
    const group = this.group;
    const reply = await get("/v1/requests", {service: group.service, source: group.source, failed: "true", limit: "100"}, signal);
    if (this.group === group) this.requests = reply;
  }

  render() {
    if (!this.list) this.build();
    this.showGroups();
    show(this.details, this.shownRequests());
  }

  build() {
    this.list = element("div");
    this.details = element("div");
    show(this.main, element("h1", {}, "Errors"), card(null,
      element("div.tools", {},
        choice("Last", wanted.window, WINDOWS, (value) => {
          wanted.window = value;
          this.refreshNow();
        }),
        search("Find", wanted.text, "cause, service or caller", (value) => {
          wanted.text = value;
          this.showGroups();
        })), this.list), this.details);
  }

  showGroups() {
    const text = wanted.text.trim().toLowerCase();
    const shownText = (g) => [causeText(g), g.service, identity(g.source), g.status].join(" ").toLowerCase();
    const {leftOut} = this.failures;
    show(this.list, table({
      caption: "Errors by cause", rows: this.failures.groups.filter((group) => shownText(group).includes(text)), most: 100,
      order: wanted.order, empty: this.failures.groups.length === 0 ? "Nothing has failed in this time." : "No error matches.",
      onOrder: (order) => {
        wanted.order = order;
        this.showGroups();
      },
      columns: [
        {name: "Cause", by: (g) => g.cause, cell: (g) => element("button.link", {type: "button", "data-key": "group-" + keyOf(g), "aria-expanded": String(this.group !== null && keyOf(g) === keyOf(this.group)), onclick: () => this.choose(g)}, causeText(g))},
        {name: "Status", by: (g) => g.status, cell: (g) => badge("bad", g.status || "none")},
        {name: "Caller", by: (g) => identity(g.source), cell: (g) => identity(g.source)},
        {name: "Service", by: (g) => g.service, cell: (g) => shortHost(g.service) || "–"},
        {name: "Requests", number: true, by: (g) => g.count, cell: (g) => g.count},
        {name: "Last", by: (g) => -Number(g.lastUnixMicros), cell: (g) => ago(Number(g.lastUnixMicros) / 1e6)},
        {name: "Example", cell: (g) => (requestAddress(g.example) ? element("a", {href: requestAddress(g.example), "data-key": "explain-" + keyOf(g)}, "Explain") : "–")},
      ],
    }), leftOut > 0 && note(`${leftOut} more errors were not reported: a sidecar reports 20 in 5 s.`));
  }

  async choose(group) {
    this.group = this.group !== null && keyOf(group) === keyOf(this.group) ? null : group;
    this.requests = null;
    this.render();
    if (this.group === null) return;
    try {
      await this.loadRequests();
    } catch (error) {
      this.requests = {requests: [], error: error.message};
    }
    // Another group may have been chosen meanwhile: its own answer follows.
    if (this.group === group) this.render();
  }

  shownRequests() {
    if (!this.group) return null;
    const {cause, status} = this.group;
    const isOfGroup = (record) => (record.cause ?? "") === (cause ?? "") && (record.status ?? 0) === (status ?? 0);
    const title = `Requests: ${causeText(this.group)}, ${status || "no status"}`;
    if (this.requests === null) return card(title, note("Asking the sidecars …"));
    return card(title, this.requests.error && note(this.requests.error), recordTable((this.requests.requests ?? []).filter(isOfGroup), {
      caption: "The newest, of this caller and service; each leads to its explanation", empty: "The sidecars have no more of them.",
    }));
  }
}
