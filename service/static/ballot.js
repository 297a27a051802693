/** One network's votes on the drawing: shown one by one, with what can be said at each. */

/** Milliseconds from one vote to the next, and for all of them at most. */
const VOTE_MS = 70;
const ALL_MS = 4000;
/** Most votes that are told apart in a bar. */
const CELLS = 40;
/** Votes on the tape; more would not be read. */
const TAPE = 120;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Ballot {
  /**
   * @param {HTMLElement} place where it is shown
   * @param {HTMLTemplateElement} template
   * @param {string} title
   */
  constructor(place, template, title) {
    this.root = template.content.cloneNode(true).firstElementChild;
    this.find("h3").textContent = this.title = title;
    this.find(".bars").setAttribute("aria-label", `${title}: votes of each class`);
    place.append(this.root);
    this.frame = null;
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Empty the ballot and say why. */
  clear(card, reason) {
    cancelAnimationFrame(this.frame);
    this.find(".about").textContent = card ? about(card) : "";
    this.labels = card?.labels ?? [];
    this.root.classList.remove("is-decided", "is-done");
    this.find(".mode").textContent = "";
    this.find(".verdict").textContent = reason;
    this.find(".reading").textContent = "";
    this.find(".tape").replaceChildren();
    this.find(".gauge").hidden = true;
    this.find(".bars").replaceChildren(...this.labels.map(bar));
  }

  /** Get ready for the votes of a request. */
  start(card, votes) {
    this.clear(card, `0 of ${votes} votes`);
    this.votes = votes;
    this.root.style.setProperty("--votes", votes);
    this.root.classList.toggle("has-cells", votes <= CELLS);
    this.counts = this.labels.map(() => 0);
    this.waiting = [];
    this.shown = 0;
    this.decidedAt = null;
    this.answer = null;
    this.pace = Math.min(VOTE_MS, ALL_MS / votes);
    this.last = performance.now();
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.#turn();
  }

  /** Take votes that were counted: the data of a `votes` event. */
  add(event) {
    event.fell_on.forEach((fellOn, index) => {
      this.waiting.push({
        fellOn,
        interval: event.intervals[index],
        isDecided: event.is_decided[index],
      });
    });
  }

  /** Take the answer; it is shown after the last vote. */
  end(prediction) {
    this.answer = prediction;
  }

  #turn() {
    this.frame = requestAnimationFrame((now) => {
      const due = calm.matches ? this.waiting.length : Math.floor((now - this.last) / this.pace);
      if (due > 0) {
        this.last = this.waiting.length ? this.last + due * this.pace : now;
        const votes = this.waiting.splice(0, due);
        votes.forEach((vote) => this.#count(vote));
        if (votes.length) this.#show(votes.at(-1));
      }
      if (this.waiting.length || this.answer === null) this.#turn();
      else this.#conclude();
    });
  }

  #count({ fellOn, isDecided }) {
    this.counts[fellOn] += 1;
    this.shown += 1;
    if (isDecided && this.decidedAt === null) this.decidedAt = this.shown;
    if (this.shown > TAPE) return;
    const item = document.createElement("li");
    item.textContent = this.labels[fellOn];
    item.dataset.class = fellOn;
    item.classList.toggle("decided", this.decidedAt === this.shown);
    this.find(".tape").append(item);
  }

  #show({ interval }) {
    const most = Math.max(...this.counts);
    const mode = this.counts.indexOf(most);
    this.find(".mode").textContent = this.labels[mode];
    [...this.find(".bars").children].forEach((item, index) => {
      item.style.setProperty("--count", this.counts[index]);
      item.classList.toggle("is-mode", index === mode);
      item.lastElementChild.textContent = this.counts[index] || "";
    });
    for (const item of this.find(".tape").children) {
      item.classList.toggle("is-mode", Number(item.dataset.class) === mode);
    }
    this.root.classList.toggle("is-decided", this.decidedAt !== null);
    this.#gauge(most / this.shown, interval);
    this.find(".verdict").textContent = `${this.shown} of ${this.votes} votes${this.#decision()}`;
  }

  #gauge(agreement, interval) {
    const gauge = this.find(".gauge");
    gauge.hidden = false;
    gauge.style.setProperty("--share", agreement);
    gauge.style.setProperty("--low", interval[0]);
    gauge.style.setProperty("--high", interval[1]);
    const [low, high] = interval.map((bound) => bound.toFixed(2));
    this.find(".reading").textContent = `agreement ${agreement.toFixed(2)}, interval ${low} to ${high}`;
  }

  #decision() {
    if (this.decidedAt === null) return "";
    const left = this.votes - this.decidedAt;
    return left === 0
      ? "; decided by the last one"
      : `; decided at vote ${this.decidedAt}: the ${left} left could not change it`;
  }

  #conclude() {
    const { label, votes_cast: cast, stopped_by: by, interval, abstain } = this.answer;
    this.root.classList.add("is-done");
    if (interval !== null) this.#gauge(this.answer.agreement, interval);
    const p = this.answer.p_value;
    const doubt = abstain ? ` The top two may be equally likely (p = ${p.toPrecision(2)}).` : "";
    const early = by === "full" ? "" : `, stopped by the rule ${by}`;
    this.find(".verdict").textContent =
      `${cast} of ${this.votes} votes${early}${by === "bounded" ? "" : this.#decision()}.${doubt}`;
    this.finish(`${this.title}: ${label}, agreement ${this.answer.agreement.toFixed(2)}.${doubt}`);
  }
}

/** Return the sigma that a network was trained at; of one for each layer, the largest. */
export function sigmaOfTraining(card) {
  const sigma = card.noise.sigma_train;
  return typeof sigma === "number" ? sigma : Math.max(...Object.values(sigma));
}

/** Return what a network is, in a few words. */
function about(card) {
  const { kind } = card.noise;
  const sigma = sigmaOfTraining(card);
  return sigma > 0 ? `${card.name}, trained at ${kind} noise of sigma ${sigma}` : card.name;
}

/** Return a class's row. */
function bar(label) {
  const item = document.createElement("li");
  for (const [name, text] of [["name", label], ["track", ""], ["count", ""]]) {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    item.append(part);
  }
  return item;
}
