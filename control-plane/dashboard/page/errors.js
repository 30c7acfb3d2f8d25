// Failures of the mesh by cause, and one of them in full.
import {get} from "./api.js";
import {badge, card, choice, element, note, search, show, table} from "./dom.js";
import {ago, identity} from "./format.js";
import {recordDetails, recordTable} from "./records.js";

const WINDOWS = [["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]];
const wanted = {window: "600", text: ""};

// Null: this control plane does not have it.
async function getIfThere(address, query, signal) {
  try {
    return await get(address, query, signal);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

export class ErrorsPage {
  constructor(main, parts, refresh) {
    this.main = main;
    this.refreshNow = refresh;
    this.chosen = null;
    this.requests = null;
  }

  async refresh(signal) {
    this.failures = await getIfThere("/v1/failures", {window: wanted.window}, signal);
    if (this.failures && this.group) await this.loadRequests(signal);
  }

  async loadRequests(signal) {
    const group = this.group;
    const reply = await getIfThere("/v1/requests", {service: group.service, source: group.source, failed: "true", limit: "100"}, signal);
    if (this.group === group) this.requests = reply;
  }

  render() {
    if (this.failures === null) {
      return show(this.main, element("h1", {}, "Errors"), card("Not available", note("This control plane does not collect failed requests. What failed is counted on the pages of the mesh and of each service."), element("p", {}, element("a", {href: "#/mesh"}, "To the mesh"))));
    }
    const text = wanted.text.trim().toLowerCase();
    const groups = this.failures.groups.filter((group) => !text || JSON.stringify([group.cause, group.service, group.source, group.status]).toLowerCase().includes(text));
    show(this.main, element("h1", {}, "Errors"), card(null,
      element("div.tools", {},
        choice("Last", wanted.window, WINDOWS, (value) => {
          wanted.window = value;
          this.refreshNow();
        }),
        search("Find", wanted.text, "cause, service or caller", (value) => {
          wanted.text = value;
          this.render();
        })),
      table({
        caption: "Failures by cause", rows: groups, empty: "Nothing has failed.", most: 100,
        columns: [
          {name: "Cause", cell: (g) => element("button.link", {type: "button", "data-key": `group-${g.cause}-${g.service}-${g.source}-${g.status}`, onclick: () => this.choose(g)}, g.cause || `status ${g.status}`)},
          {name: "Status", cell: (g) => badge("bad", g.status || "none")},
          {name: "Service", cell: (g) => g.service || "–"},
          {name: "Caller", cell: (g) => (g.source ? identity(g.source) : "–")},
          {name: "Requests", number: true, cell: (g) => g.count},
          {name: "Last", cell: (g) => ago(Number(g.lastUnixMicros) / 1e6)},
        ],
      })), this.shownRequests());
  }

  async choose(group) {
    this.group = group;
    this.chosen = group.example ?? null;
    this.requests = null;
    this.render();
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
    const requests = (this.requests?.requests ?? []).filter((record) => (record.cause ?? "") === (this.group.cause ?? "") && (record.status ?? 0) === (this.group.status ?? 0));
    return [
      this.chosen && card("One of them", recordDetails(this.chosen)),
      card("Requests", this.requests?.error && note(this.requests.error), recordTable(requests, {
        caption: "Failed, of this service", empty: "The sidecars have no more of them.", chosen: this.chosen,
        onChoose: (record) => {
          this.chosen = record;
          this.render();
        },
      })),
    ];
  }
}
