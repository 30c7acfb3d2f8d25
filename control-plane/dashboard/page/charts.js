// Lines over time, by Chart.js.
/* global Chart */
import {element} from "./dom.js";
import {clock, minute} from "./format.js";
import {colour} from "./theme.js";

export class LineChart {
  // lines: [{name, colour, fill}]
  constructor(title, lines, {format, most, floor}) {
    // floor: from the values to where the axis begins; without one it begins at 0.
    this.lines = lines;
    this.canvas = element("canvas", {role: "img", "aria-label": title});
    this.holder = element("figure.chart", {}, element("figcaption", {}, title), element("div.canvas", {}, this.canvas));
    this.options = {format, most, floor};
  }

  // points: [[time in ms, value of each line or null]]
  draw(points) {
    const isFine = points.length > 1 && points[1][0] - points[0][0] < 60e3;
    const data = {
      labels: points.map(([time]) => (isFine ? clock(time) : minute(time))),
      datasets: this.lines.map((line, at) => ({
        label: line.name, data: points.map((point) => point[at + 1]), borderColor: colour(line.colour), backgroundColor: colour(line.colour) + "22",
        fill: line.fill ?? false, borderWidth: 2, pointRadius: 0, pointHitRadius: 12, tension: 0.25, spanGaps: false,
      })),
    };
    if (this.options.floor) this.options.least = this.options.floor(points.flatMap((point) => point.slice(1)).filter((value) => value !== null));
    if (this.chart) {
      this.chart.data = data;
      this.chart.options.scales.y.min = this.options.least;
      this.paint(this.chart.options);
      return this.chart.update("none");
    }
    this.chart = new Chart(this.canvas, {type: "line", data, options: this.paint(this.settings())});
  }

  settings() {
    const {format, least, most} = this.options;
    return {
      animation: false, responsive: true, maintainAspectRatio: false, interaction: {mode: "index", intersect: false},
      plugins: {
        legend: {display: this.lines.length > 1, position: "top", align: "end", labels: {boxWidth: 10, boxHeight: 2, font: {size: 11}}},
        tooltip: {callbacks: {label: (item) => `${item.dataset.label}: ${item.raw === null ? "–" : format(item.raw)}`}},
      },
      scales: {
        x: {grid: {display: false}, ticks: {maxTicksLimit: 6, maxRotation: 0, font: {size: 11}}},
        y: {beginAtZero: true, min: least, max: most, grid: {}, ticks: {maxTicksLimit: 5, callback: format, font: {size: 11}}},
      },
    };
  }

  paint(options) {
    options.plugins.legend.labels.color = colour("faint");
    for (const axis of [options.scales.x, options.scales.y]) {
      axis.ticks.color = colour("faint");
      axis.grid.borderColor = colour("line");
      axis.grid.color = colour("line");
    }
    return options;
  }

  end() {
    this.chart?.destroy();
    this.chart = null;
  }
}
