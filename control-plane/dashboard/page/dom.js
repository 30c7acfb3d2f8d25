// Elements. Texts of the mesh become text nodes, never HTML.

// element("a.link", {href: "#/x", onclick: f}, "text", child, ...): the tag with its classes, then
// attributes, listeners, children. Children that are null, undefined or false are left out.
export function element(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length > 0) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  append(made, children);
  return made;
}

function append(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// Replaces the children; what had the focus gets it back by its data-key.
export function show(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset?.key : null;
  const scrolled = [...parent.querySelectorAll("[data-scroll]")].map((e) => [e.dataset.scroll, e.scrollTop, e.scrollLeft]);
  parent.replaceChildren();
  append(parent, children);
  if (focused) parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
  for (const [name, top, left] of scrolled) {
    parent.querySelector(`[data-scroll="${CSS.escape(name)}"]`)?.scrollTo(left, top);
  }
}

// Whether somebody points at it: then it must not move away.
export const isPointedAt = (part) => part.matches(":hover");

export const card = (title, ...content) =>
  element("section.card", {}, title && element("h2", {}, title), ...content);

export const note = (...text) => element("p.note", {}, ...text);

// `state`: "good", "fair", "bad" or "none".
export const badge = (state, text) => element(`span.badge.${state}`, {}, text);

// One number with its name. `more`: what explains it.
export function tile(name, value, state = "none", more = "") {
  return element(`div.tile.${state}`, {}, element("div.tile-name", {}, name),
    element("div.tile-value", {}, value), element("div.tile-more", {}, more));
}

// columns: [{name, cell: row => child, number: bool, by: row => sort key}]. More rows than `most`
// are counted, not drawn: a page with thousands is no longer usable.
export function table({columns, rows, empty = "Nothing here.", most = 200, order, onOrder, caption, link}) {
  if (rows.length === 0) return note(empty);
  let sorted = rows;
  if (order) {
    const by = columns[order.column]?.by;
    if (by) {
      const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
      sorted = [...rows].sort((a, b) => compare(by(a), by(b)) * (order.down ? -1 : 1));
    }
  }
  const head = columns.map((column, index) => headCell(column, index, order, onOrder));
  const body = sorted.slice(0, most).map((row) => element(link ? "tr.leads" : "tr", link ? {onclick: (event) => follow(event, link(row))} : {},
    columns.map((column) => element(column.number ? "td.number" : "td", {"data-label": column.name}, inOne(column.cell(row))))));
  const left = sorted.length - most;
  return [
    element("div.scroll", {"data-scroll": caption ?? columns[0].name},
      element("table", {}, caption && element("caption", {}, caption), element("thead", {}, element("tr", {}, head)), element("tbody", {}, body))),
    left > 0 && note(`${left} more rows: filter to see them.`),
  ];
}

// Several parts of a cell stay together where a row is shown as a block.
const inOne = (content) => (Array.isArray(content) ? element("span", {}, content) : content);

function follow(event, address) {
  if (event.target.closest("a, button") || String(getSelection())) return;
  location.hash = address;
}

function headCell(column, index, order, onOrder) {
  const isChosen = order?.column === index;
  const sorting = isChosen ? (order.down ? "descending" : "ascending") : null;
  const name = !onOrder || !column.by ? column.name : element("button.order", {
    type: "button", "data-key": "order-" + column.name,
    onclick: () => onOrder({column: index, down: isChosen ? !order.down : Boolean(column.number)}),
  }, column.name, isChosen && (order.down ? " ↓" : " ↑"));
  return element(column.number ? "th.number" : "th", {scope: "col", "aria-sort": sorting}, name);
}

export function choice(label, value, options, onChange) {
  return element("label.field", {}, element("span", {}, label),
    element("select", {"data-key": "choice-" + label, onchange: (event) => onChange(event.target.value)},
      options.map(([id, text]) => element("option", {value: id, selected: id === value}, text))));
}

export function search(label, value, placeholder, onInput) {
  return element("label.field", {}, element("span", {}, label),
    element("input", {type: "search", value, placeholder, "data-key": "search-" + label, spellcheck: "false", autocomplete: "off",
      oninput: (event) => onInput(event.target.value)}));
}
