// Why a request ended as it did: its hops, what decided, and what to change, as `tullectl explain`.
import {get, path} from "./api.js";
import {badge, card, element, note, show} from "./dom.js";
import {dateTime} from "./format.js";
import {isFailed} from "./records.js";

export class RequestPage {
  constructor(main, [id]) {
    this.main = main;
    this.id = id ?? "";
    this.period = 3600e3; // it has ended
  }

  async refresh(signal) {
    this.explanation = await get(path`/v1/requests/${this.id}/explanation`, {}, signal);
  }

  render() {
    const {title, requestId, traceId, startedMicros, time, hops, asked, answered} = this.explanation;
    const isBad = hops.some(isFailed);
    show(this.main, this.crumbs(),
      element("h1", {}, title, " ", isBad && badge("bad", "failed")),
      element("p.note", {}, `${dateTime(startedMicros / 1e6)} · ${time} · request `, element("code", {}, requestId),
        traceId && [" · ", element("a", {href: "#/trace/" + encodeURIComponent(traceId), "data-key": "trace"}, "View trace")]),
      this.shownVerdict(isBad),
      card("Hops", element("ol.hops", {}, hops.map((hop, at) => this.shownHop(hop, at)))),
      answered < asked && note(`${asked - answered} of ${asked} sidecars did not answer: what they know is missing.`),
      note("The same in a terminal: ", element("code", {}, "tullectl explain " + requestId)));
  }

  shownVerdict(isBad) {
    const {result, verdict, missing = []} = this.explanation;
    return element(`section.card.verdict.${isBad ? "bad" : "good"}`, {}, element("h2", {}, "Why"),
      element("p.verdict-text", {}, result),
      verdict?.policy && element("p", {}, "Decided by ", element("strong", {}, verdict.policy), verdict.field && [", field ", element("code", {}, verdict.field)]),
      verdict?.nextStep && element("p", {}, "Next step: ", verdict.nextStep),
      verdict?.command && element("pre", {}, element("code", {}, verdict.command)),
      missing.map((one) => note(`Missing: ${one}`)));
  }

  shownHop(hop, at) {
    const decides = this.explanation.verdict?.hop === at;
    const shown = element(`li.hop${decides ? ".decides" : ""}`, {},
      element("h3", {}, `${at + 1}. ${hop.title} `, badge(isFailed(hop) ? "bad" : "good", hop.outcome), decides && " decided"),
      element("dl.facts", {}, hop.lines.map(({name, text}) => [element("dt", {}, name), element("dd", {}, text)])),
      hop.considered.length > 0 && element("details", {open: decides}, element("summary", {}, "Decisions"), element("ul.plain", {}, hop.considered.map((one) => element("li", {}, one)))));
    shown.style.marginLeft = Math.min(hop.depth, 8) * 18 + "px";
    return shown;
  }

  crumbs() {
    return element("p.crumbs", {}, element("a", {href: "#/errors", "data-key": "errors"}, "Errors"), " / ", element("code", {}, this.id));
  }

  fail(error) {
    show(this.main, this.crumbs(), card(error.message, error.hint && note(error.hint)));
  }
}
