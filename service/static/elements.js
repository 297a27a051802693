/** Parts of a page made by script: elements, tables, lists of terms. */

/**
 * Return an element.
 * @param {string} tag
 * @param {object} attributes by name; those that are null or false are left out
 * @param {...(Node | string | null | false)} children those that are null or false are left out
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  set(made, attributes);
  made.append(...children.filter((child) => child ?? false));
  return made;
}

/** Set attributes; those that are null, undefined or false are left out. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
}

/** Whatever is wider than its place is reached by the keyboard. */
const watched = new ResizeObserver((changes) => {
  for (const place of new Set(changes.map(({ target }) => target.closest(".scroll")))) {
    if (place?.scrollWidth > place?.clientWidth) place.tabIndex = 0;
    else place?.removeAttribute("tabindex");
  }
});

/**
 * Return a table that scrolls within its place, with row heads in its first column.
 * @param {string | Node} caption
 * @param {(string | {name: string, isText: boolean})[]} heads of the columns
 * @param {(string | Node)[][]} rows
 */
export function table(caption, heads, rows) {
  const columns = heads.map((head) => (typeof head === "string" ? { name: head } : head));
  const kind = (column) => ({ class: column.isText && "text" });
  const head = columns.map((column) => make("th", { scope: "col", ...kind(column) }, column.name));
  const lines = rows.map(([first, ...rest]) => {
    const cells = rest.map((cell, at) => make("td", kind(columns[at + 1] ?? {}), cell));
    return make("tr", {}, make("th", { scope: "row" }, first), ...cells);
  });
  head[0]?.classList.add("text");
  const made = make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...head)),
    make("tbody", {}, ...lines),
  );
  const name = typeof caption === "string" ? caption : caption.textContent;
  const place = make("div", { class: "scroll", role: "group", "aria-label": name }, made);
  watched.observe(place);
  watched.observe(made);
  return place;
}

/** Return a list of terms and what is said of them; what is null or empty is left out. */
export function terms(pairs) {
  const said = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const parts = said.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
  return make("dl", { class: "terms" }, ...parts);
}

/** Return something that opens on demand; its content is made when it is first opened. */
export function folded(summary, content) {
  const made = make("details", {}, make("summary", {}, summary));
  made.addEventListener("toggle", () => made.append(content()), { once: true });
  return made;
}

/** Return a section with a head. */
export function section(title, ...children) {
  const id = `section-${title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`;
  return make(
    "section",
    { "aria-labelledby": id },
    make("h3", { id }, title),
    ...children,
  );
}

export const code = (text) => make("code", {}, text);

/** Return a paragraph of small print. */
export const hint = (...children) => make("p", { class: "hint" }, ...children);

/** Return the head of a column of words, where others hold numbers. */
export const words = (name) => ({ name, isText: true });
