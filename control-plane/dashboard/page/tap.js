// Requests live, as they end in the sidecars.
import {get, path, post, remove} from "./api.js";
import {card, element, isPointedAt, note, show} from "./dom.js";
import {recordDetails, recordTable} from "./records.js";

const MOST = 300;
const wanted = {service: "", source: "", method: "", path: "", status: "", minMs: "", failed: false};
const FIELDS = [["service", "Service", "cart.shop"], ["source", "Caller", "web.shop"], ["method", "Method", "GET"], ["path", "Path begins with", "/"], ["status", "Status", "500-599"], ["minMs", "At least, ms", "100"]];

export class TapPage {
  constructor(main) {
    this.main = main;
    this.period = 1000;
    this.id = null;
    this.rows = [];
    this.leftOut = 0;
    this.chosen = null;
    this.error = null;
    this.leave = () => this.end();
  }

  async refresh(signal) {
    if (this.id === null) return;
    try {
      const news = await get(path`/v1/taps/${this.id}`, {}, signal);
      this.rows = [...(news.requests ?? []).reverse(), ...this.rows].slice(0, MOST);
      this.leftOut += news.leftOut ?? 0;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      this.id = null;
      if (error.status !== 404) this.error = error;
      else await this.start(); // the control plane was restarted, or tullectl has a new token
    }
  }

  async start() {
    const filter = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
    try {
      this.id = (await post("/v1/taps", filter)).id;
      addEventListener("pagehide", this.leave);
    } catch (error) {
      this.error = error.status === 404 ? {message: "Not available:", hint: "this control plane cannot tap."} : error;
    }
  }

  render() {
    if (!this.list) this.build();
    this.button.textContent = this.id === null ? "Start" : "Stop";
    show(this.details, this.chosen && card("Request", recordDetails(this.chosen)));
    if (isPointedAt(this.list) && this.shown === this.chosen) return; // it would move away
    this.shown = this.chosen;
    show(this.problem, this.error && element("p.problem-text", {role: "alert"}, this.error.message, " ", this.error.hint));
    show(this.list, this.id === null && this.rows.length === 0
      ? note("Shows requests as they end. The log of tulle-control and `tullectl events` say who taps what.")
      : recordTable(this.rows, {
        caption: `${this.rows.length} requests, newest first${this.leftOut > 0 ? `; ${this.leftOut} more were left out` : ""}`, empty: "Waiting for requests …", chosen: this.chosen,
        onChoose: (record) => {
          this.chosen = record;
          this.render();
        },
      }));
  }

  build() {
    this.list = element("div");
    this.details = element("div");
    this.problem = element("div");
    this.button = element("button.main", {type: "submit"}, "Start");
    const field = ([name, label, placeholder]) => element("label.field", {}, element("span", {}, label),
      element("input", {type: "text", value: wanted[name], placeholder, autocomplete: "off", spellcheck: "false", oninput: (event) => {
        wanted[name] = event.target.value.trim();
      }}));
    const failed = element("input", {type: "checkbox", checked: wanted.failed, onchange: (event) => {
      wanted.failed = event.target.checked;
    }});
    const form = element("form.tools", {onsubmit: (event) => {
      event.preventDefault();
      this.toggle();
    }}, FIELDS.map(field), element("label.field.check", {}, failed, element("span", {}, "failed only")), this.button);
    show(this.main, element("h1", {}, "Tap"), card(null, form, this.problem, this.list), this.details);
  }

  async toggle() {
    if (this.id !== null) {
      this.end();
    } else {
      this.error = null;
      this.rows = [];
      this.leftOut = 0;
      await this.start();
    }
    this.render();
  }

  end() {
    removeEventListener("pagehide", this.leave);
    if (this.id === null) return;
    remove(path`/v1/taps/${this.id}`).catch(() => {}); // it ends by itself
    this.id = null;
  }
}
