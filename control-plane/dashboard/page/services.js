// All services, also those that nobody calls.
import {get} from "./api.js";
import {goldenColumns} from "./columns.js";
import {badge, card, element, search, show, table} from "./dom.js";
import {serviceAddress, shownName} from "./format.js";
import {endpointsOf, openBreakersOf} from "./mesh_model.js";
import {sumsBy, Traffic} from "./traffic.js";

const wanted = {text: "", order: {column: 0, down: false}};

export class ServicesPage {
  constructor(main) {
    this.main = main;
  }

  async refresh(signal) {
    const [traffic, services] = await Promise.all([get("/v1/traffic", {window: 60}, signal), get("/v1/services", {}, signal)]);
    const sums = sumsBy(traffic.links, (link) => link.service.host);
    this.seconds = traffic.seconds;
    this.rows = services.items.map((service) => ({service, name: shownName(service), traffic: sums.get(service.host) ?? new Traffic(), endpoints: endpointsOf(service), open: openBreakersOf(service)}));
  }

  render() {
    if (!this.list) {
      this.list = element("div");
      show(this.main, element("h1", {}, "Services"), card(null,
        element("div.tools", {}, search("Find", wanted.text, "name or namespace", (value) => {
          wanted.text = value;
          this.render();
        })), this.list));
    }
    const text = wanted.text.trim().toLowerCase();
    show(this.list, table({
      caption: "Services, with the traffic of the last minute", rows: this.rows.filter((row) => row.name.toLowerCase().includes(text)),
      order: wanted.order, most: 500, empty: this.rows.length === 0 ? "There are no services yet." : "No service matches.",
      link: ({service}) => serviceAddress(service),
      onOrder: (order) => {
        wanted.order = order;
        this.render();
      },
      columns: [
        {name: "Service", by: (r) => r.name, cell: (r) => element("a", {href: serviceAddress(r.service), "data-key": r.name}, r.name)},
        {name: "Endpoints", number: true, by: (r) => r.endpoints.length, cell: (r) => endpointsText(r.endpoints)},
        {name: "Breakers", by: (r) => r.open, cell: (r) => (r.open > 0 ? badge("bad", `${r.open} open`) : badge("good", "closed"))},
        ...goldenColumns(this.seconds),
      ],
    }));
  }
}

function endpointsText(endpoints) {
  const healthy = endpoints.filter((endpoint) => endpoint.health === "healthy").length;
  if (endpoints.length === 0) return badge("fair", "none");
  return healthy === endpoints.length ? String(healthy) : badge("bad", `${healthy} of ${endpoints.length}`);
}
