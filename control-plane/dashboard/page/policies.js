// Policies: what is in force, and how it came to be.
import {get, path} from "./api.js";
import {badge, card, choice, element, note, search, show, table} from "./dom.js";
import {ago, dateTime} from "./format.js";
import {policyAddress, targetText} from "./policy_targets.js";
import {difference, yaml} from "./yaml.js";

const LONGEST_DIFFERENCE = 2000; // lines
const wanted = {text: "", kind: "", order: {column: 0, down: false}};

export class PoliciesPage {
  constructor(main, [kind, namespace, name]) {
    this.main = main;
    this.key = name ? {kind, namespace, name} : null;
    this.period = this.key ? 30e3 : 5000;
  }

  async refresh(signal) {
    if (this.key) return this.loadOne(signal);
    const [policies, history] = await Promise.all([get("/v1/policies", {}, signal), get("/v1/history", {}, signal)]);
    this.policies = policies.items;
    this.changes = history.items;
  }

  async loadOne(signal) {
    const {kind, namespace, name} = this.key;
    const address = path`/v1/policies/${kind}/${namespace}/${name}`;
    this.versions = (await get(address + "/history", {}, signal)).items;
    try {
      this.policy = await get(address, {}, signal);
    } catch (error) {
      if (error.status !== 404 || this.versions.length === 0) throw error;
      this.policy = null; // deleted: its history is left
    }
  }

  render() {
    if (this.key) this.showOne();
    else this.showList();
  }

  showList() {
    if (!this.list) {
      this.list = element("div");
      this.past = element("div");
      show(this.main, element("h1", {}, "Policies"), card(null, (this.tools = element("div.tools")), this.list), this.past);
    }
    const kinds = [...new Set(this.policies.map((policy) => policy.kind))].sort();
    show(this.tools, search("Find", wanted.text, "name or target", (value) => {
      wanted.text = value;
      this.showList();
    }), choice("Kind", wanted.kind, [["", "all"], ...kinds.map((kind) => [kind, kind])], (value) => {
      wanted.kind = value;
      this.showList();
    }));
    const text = wanted.text.trim().toLowerCase();
    const rows = this.policies.filter((policy) => (!wanted.kind || policy.kind === wanted.kind) &&
      (!text || `${policy.metadata.name} ${policy.metadata.namespace} ${targetText(policy)}`.toLowerCase().includes(text)));
    show(this.list, table({
      caption: "In force", rows, order: wanted.order, most: 300, empty: this.policies.length === 0 ? "There are no policies. `tullectl apply -f FILE` adds some." : "No policy matches.",
      link: policyAddress,
      onOrder: (order) => {
        wanted.order = order;
        this.showList();
      },
      columns: [
        {name: "Kind", by: (p) => p.kind, cell: (p) => p.kind},
        {name: "Namespace", by: (p) => p.metadata.namespace ?? "", cell: (p) => p.metadata.namespace ?? ""},
        {name: "Name", by: (p) => p.metadata.name, cell: (p) => element("a", {href: policyAddress(p), "data-key": policyAddress(p)}, p.metadata.name)},
        {name: "Target", by: targetText, cell: targetText},
        {name: "Origin", cell: (p) => p.status?.origin ?? "tullectl"},
        {name: "Created", by: (p) => p.metadata.creationTimestamp ?? "", cell: (p) => ago(Date.parse(p.metadata.creationTimestamp ?? "") / 1000 || 0)},
      ],
    }));
    show(this.past, card("Changes", table({
      caption: "Newest first", rows: this.changes, most: 50, empty: "No changes by tullectl yet.",
      columns: [
        {name: "When", cell: (c) => element("span", {title: dateTime(c.at)}, ago(c.at))},
        {name: "Author", cell: (c) => c.author},
        {name: "Revision", number: true, cell: (c) => c.revision},
        {name: "Changes", cell: (c) => c.changes.slice(0, 8).map((change) => element("div", {}, badge(change.action === "deleted" ? "bad" : change.action === "created" ? "good" : "fair", change.action), ` ${change.kind} `,
          element("a", {href: policyAddress({kind: change.kind, metadata: change})}, change.name))).concat(c.changes.length > 8 ? [`and ${c.changes.length - 8} more`] : [])},
      ],
    })));
  }

  showOne() {
    const {kind, namespace, name} = this.key;
    show(this.main,
      element("p.crumbs", {}, element("a", {href: "#/policies"}, "Policies"), ` / ${kind} / ${namespace}`),
      element("h1", {}, name, " ", this.policy ? badge("good", "in force") : badge("bad", "deleted")),
      this.policy && card("Current version", element("pre.code", {"data-scroll": "now", tabindex: 0}, yaml(this.policy))),
      card("History", this.versions.length === 0 ? note("No history: this policy is an object of the Kubernetes cluster, whose audit log has its changes.") : this.versions.map((version, at) => this.shownVersion(version, this.versions[at + 1]))));
  }

  shownVersion(version, before) {
    const text = version.policy ? yaml(version.policy) : "";
    const past = before?.policy ? yaml(before.policy) : "";
    const isLong = text.split("\n").length + past.split("\n").length > LONGEST_DIFFERENCE;
    const rows = isLong ? text.split("\n").map((line) => [" ", line]) : difference(past, text).filter(([, line], at, all) => line !== "" || all.length === 1);
    const action = !version.policy ? "deleted" : before?.policy ? "changed" : "created";
    return element("details.version", {open: before === undefined || version === this.versions[0]},
      element("summary", {}, badge(action === "deleted" ? "bad" : action === "created" ? "good" : "fair", action), ` ${dateTime(version.at)} by ${version.author}, revision ${version.revision}`),
      element("pre.code", {tabindex: 0}, rows.map(([sign, line]) => element(`span.line.${sign === "+" ? "added" : sign === "-" ? "removed" : "same"}`, {}, `${sign} ${line}`))));
  }

  fail(error) {
    show(this.main, element("p.crumbs", {}, element("a", {href: "#/policies"}, "Policies")), card(error.message, error.hint && note(error.hint)));
  }
}
