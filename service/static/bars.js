/** The votes of each class as bars: of all classes, or of the leading ones where there are many. */

/** Most classes that all have a bar: as many as replies count votes of. */
const MOST_CLASSES = 20;
/** Classes that have a bar where there are more. */
const LEADING = 8;
/** Letters of a label above which it needs room. */
const SHORT = 2;

/** Return a class's row. */
function bar(label) {
  const item = document.createElement("li");
  for (const [name, text] of [["name", label], ["track", ""], ["count", ""]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part);
  }
  item.firstElementChild.title = label;
  return item;
}

export class Bars {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    this.clear([]);
  }

  /** Show no votes yet, of classes of these labels. */
  clear(labels) {
    this.labels = labels;
    this.counts = labels.map(() => 0);
    this.isEachShown = labels.length <= MOST_CLASSES;
    this.list.replaceChildren(...(this.isEachShown ? labels.map(bar) : []));
  }

  get areWords() {
    return this.labels.some((label) => label.length > SHORT);
  }

  /** Return the class with the most votes; of several, the first. */
  get mode() {
    return this.counts.reduce((best, count, index) => (count > this.counts[best] ? index : best), 0);
  }

  /** Show the votes as they have been counted. */
  show() {
    const { mode } = this;
    if (this.isEachShown) {
      [...this.list.children].forEach((item, index) => this.#fill(item, index, mode));
      return;
    }
    const voted = [...this.counts.keys()].filter((index) => this.counts[index] > 0);
    voted.sort((one, other) => this.counts[other] - this.counts[one] || one - other);
    const items = voted.slice(0, LEADING).map((index) => {
      const item = bar(this.labels[index]);
      this.#fill(item, index, mode);
      return item;
    });
    const rest = voted.slice(LEADING);
    if (rest.length) {
      const votes = rest.reduce((sum, index) => sum + this.counts[index], 0);
      const item = document.createElement("li");
      item.className = "rest";
      item.textContent = `${votes} on ${rest.length} other class${rest.length > 1 ? "es" : ""}`;
      items.push(item);
    }
    this.list.replaceChildren(...items);
  }

  #fill(item, index, mode) {
    item.style.setProperty("--count", this.counts[index]);
    item.classList.toggle("is-mode", index === mode);
    item.lastElementChild.textContent = this.counts[index] || "";
  }
}
