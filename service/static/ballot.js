/** One network's votes on the input: shown one by one, with what can be said at each. */

import { Bars } from "./bars.js";
import { about } from "./networks.js";

/** Milliseconds from one vote to the next, and for all of them at most. */
const VOTE_MS = 70;
const ALL_MS = 4000;
/** Most votes that are told apart in a bar. */
const CELLS = 40;
/** The condition of a promise that holds whatever is drawn. */
const ANY_INPUT = "any input";
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
    this.find(".chips").setAttribute("aria-label", `${title}: votes of each chip`);
    this.bars = new Bars(this.find(".bars"));
    place.append(this.root);
    this.frame = null;
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Empty the ballot and say why. */
  clear(card, reason) {
    cancelAnimationFrame(this.frame);
    this.finish?.(null);
    this.find(".about").textContent = card ? about(card) : "";
    this.bars.clear(card?.labels ?? []);
    this.root.classList.remove("is-sure", "is-done");
    this.root.classList.toggle("has-words", this.bars.areWords);
    this.find(".mode").textContent = "";
    this.say(reason);
    this.find(".reading").textContent = "";
    this.find(".tape").replaceChildren();
    this.find(".chips").replaceChildren();
    this.find(".chips").hidden = true;
    this.find(".gauge").hidden = true;
  }

  /** Say what it waits for. */
  say(reason) {
    this.find(".verdict").textContent = reason;
  }

  /** Say what accuracy the setting promises. */
  promise(text) {
    this.find(".promise").textContent = text;
  }

  /**
   * Get ready for the votes of a request.
   * @param {object} card
   * @param {{votes: number, chips?: number}} asked
   */
  start(card, { votes, chips = 1 }) {
    this.clear(card, `0 of ${votes} votes`);
    this.votes = votes;
    // Votes of the same chip hang together: intervals and tests hold of one chip, or one for each.
    this.areApart = chips === 1 || chips >= votes;
    this.root.style.setProperty("--votes", votes);
    this.root.classList.toggle("has-cells", votes <= CELLS);
    this.waiting = [];
    this.shown = 0;
    this.decidedAt = null;
    this.isSure = false;
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
        isSure: this.areApart && event.is_sure[index],
      });
    });
  }

  /**
   * Take the answer; it is shown after the last vote.
   * @param {object} prediction
   * @param {{guarantee: object | null, device?: {chips: number[]}}} reply that it stands in
   */
  end(prediction, { guarantee, device }) {
    this.answer = prediction;
    this.guarantee = guarantee;
    this.chips = device?.chips ?? [];
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

  #count({ fellOn, isDecided, isSure }) {
    this.bars.counts[fellOn] += 1;
    this.shown += 1;
    this.isSure = isSure;
    if (isDecided && this.decidedAt === null) this.decidedAt = this.shown;
    if (this.shown > TAPE) return;
    const item = document.createElement("li");
    item.textContent = this.bars.labels[fellOn];
    item.dataset.class = fellOn;
    item.classList.toggle("decided", this.decidedAt === this.shown);
    this.find(".tape").append(item);
  }

  #show({ interval }) {
    const { mode, counts, labels } = this.bars;
    this.find(".mode").textContent = labels[mode];
    this.bars.show();
    for (const item of this.find(".tape").children) {
      item.classList.toggle("is-mode", Number(item.dataset.class) === mode);
    }
    this.root.classList.toggle("is-sure", this.isSure);
    this.#gauge(counts[mode] / this.shown, this.areApart ? interval : null);
    this.say(`${this.shown} of ${this.votes} votes${this.#decision()}`);
  }

  /** Show the agreement, between the bounds of its interval if there is one. */
  #gauge(agreement, interval) {
    const gauge = this.find(".gauge");
    gauge.hidden = interval === null;
    let reading = `agreement ${agreement.toFixed(2)}`;
    if (interval !== null) {
      gauge.style.setProperty("--share", agreement);
      gauge.style.setProperty("--low", interval[0]);
      gauge.style.setProperty("--high", interval[1]);
      const [low, high] = interval.map((bound) => bound.toFixed(2));
      reading += `, interval ${low} to ${high}`;
    }
    this.find(".reading").textContent = reading;
  }

  /** Say from which vote on the rest could not change the mode: that is what decided means. */
  #decision() {
    if (this.decidedAt === null) return "";
    const left = this.votes - this.decidedAt;
    return left === 0
      ? "; open until the last one"
      : `; decided at vote ${this.decidedAt}: the ${left} left could not change it`;
  }

  /** Say why the voting ended before N, if it did. */
  #ending() {
    const { stopped_by: by } = this.answer;
    if (by === "full") return this.#decision();
    const { delta, condition } = this.guarantee;
    if (delta === 0) return `, stopped by the rule ${by}${this.#decision()}`;
    const where = condition === ANY_INPUT ? "" : " on such inputs";
    return `, stopped by the rule ${by}: all ${this.votes} would have another mode with a chance of
      ${delta} at most${where}`;
  }

  /** Say why the mode is no sure one, if it is not. */
  #doubt() {
    if (!this.areApart) return " Votes of the same chip hang together: no test is made.";
    if (this.isSure) return "";
    const { p_value: p, abstain, abstains_below: fewest } = this.answer;
    if (abstain && this.shown < fewest) {
      return ` Fewer than ${fewest} votes always abstain: even if all agree, it may be chance.`;
    }
    return ` The top two may be equally likely${p === null ? "" : ` (p = ${p.toPrecision(2)})`}.`;
  }

  /** Show how the votes of each of several chips fell: its own mode, and how many were for it. */
  #perChip() {
    const { per_chip: perChip } = this.answer;
    if (!perChip) return;
    const items = perChip.map((counts, index) => {
      const most = Math.max(...counts);
      const cast = counts.reduce((sum, count) => sum + count, 0);
      const item = document.createElement("li");
      const label = this.bars.labels[counts.indexOf(most)];
      item.textContent = `chip ${this.chips[index]}: ${label}, ${most} of ${cast}`;
      return item;
    });
    this.find(".chips").replaceChildren(...items);
    this.find(".chips").hidden = false;
  }

  #conclude() {
    const { label, votes_cast: cast, interval, abstain, agreement } = this.answer;
    // Once all votes are cast the test for their number holds; after an early stop the running one.
    if (abstain !== null) this.isSure = !abstain;
    this.root.classList.toggle("is-sure", this.isSure);
    this.root.classList.add("is-done");
    if (interval !== null) this.#gauge(agreement, interval);
    this.#perChip();
    const doubt = this.#doubt();
    this.say(`${cast} of ${this.votes} votes${this.#ending()}.${doubt}`);
    this.finish(`${this.title}: ${label}, agreement ${agreement.toFixed(2)}.${doubt}`);
  }
}
