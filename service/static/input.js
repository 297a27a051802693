/** What is voted on: a drawing, a picture of one's own, or a sample of numbers. */

import { EXAMPLES } from "./examples.js";
import { kindOf } from "./networks.js";
import { Pad, SIZE } from "./pad.js";
import { OwnPicture } from "./picture.js";
import { exampleFor, sampleIn, takenBy } from "./sample.js";
import { asText, fromText } from "./strokes.js";

/** Letters of a drawing or sample up to which it stands in the address. */
const MOST_KEPT = 1500;
/** What the pad says, and what is waited for, by what a network takes. */
const DRAWING = {
  hint: "Draw a digit",
  first: "Waits for a drawing.",
  end: "Waits for the end of the drawing.",
};
const WORDS = {
  digits: DRAWING,
  strokes: DRAWING,
  pictures: { ...DRAWING, hint: "Drop, paste or draw a picture", first: "Waits for a picture." },
  numbers: { hint: "", first: "Waits for a sample.", end: "Waits for the end of the sample." },
};

const at = (id) => document.getElementById(id);

export class Input {
  /**
   * @param {(change: {isDrawing?: boolean, isWhole?: boolean}) => void} onChange called when the
   *   input has changed: while a stroke is drawn, or into one that nothing is missing of
   */
  constructor(onChange) {
    this.kind = "digits";
    this.pad = new Pad(at("pad"), (change) => this.#changed(change, onChange));
    this.own = new OwnPicture(at("file"), at("preview"), () => this.#takesPictures, (error) => {
      this.#changed({ isWhole: !error }, onChange);
      if (error) this.complain(`The file cannot be read: ${error.message}.`);
    });
    at("sample").addEventListener("input", () => this.#changed({}, onChange));
    at("undo").addEventListener("click", () => this.pad.undo());
    at("clear").addEventListener("click", () => this.#clear());
    at("pad").addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
      if (/^\d$/.test(key) && !ctrlKey && !metaKey && !altKey) this.pad.load(EXAMPLES[Number(key)]);
    });
    at("examples").append(...EXAMPLES.map((strokes, digit) => this.#example(strokes, digit)));
  }

  #example(strokes, digit) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = digit;
    button.setAttribute("aria-label", `Example of a ${digit}`);
    button.addEventListener("click", () => {
      this.own.clear();
      this.pad.load(strokes);
    });
    return button;
  }

  get #takesPictures() {
    return this.kind === "digits" || this.kind === "pictures";
  }

  get hasPicture() {
    return this.#takesPictures && !this.own.isEmpty;
  }

  /** The name of the file that is sent; nothing if none is. */
  get file() {
    return this.hasPicture ? this.own.file : null;
  }

  /** What is waited for; nothing once there is an input. */
  get waitsFor() {
    const isEmpty = this.kind === "numbers" ? !at("sample").value.trim() : this.pad.isEmpty;
    return isEmpty && !this.hasPicture ? WORDS[this.kind].first : "";
  }

  get waitsForEnd() {
    return WORDS[this.kind].end;
  }

  /** What is wrong with the sample before it is sent; nothing if nothing is. */
  get fault() {
    try {
      if (this.kind === "numbers") sampleIn(at("sample").value);
      return "";
    } catch (error) {
      return error.message;
    }
  }

  /** Ask for what a network takes. */
  show(card) {
    this.kind = card ? kindOf(card) : "digits";
    const isSample = this.kind === "numbers";
    at("pad-place").hidden = at("undo").hidden = isSample;
    at("pad-keys").hidden = isSample;
    const areDigits = !card || card.labels.every((label) => /^\d$/.test(label));
    at("examples").hidden = isSample || !areDigits;
    at("own").hidden = !this.#takesPictures;
    at("sample-place").hidden = !isSample;
    at("clear").textContent = isSample ? "Example" : "Clear";
    this.complain("");
    if (isSample) this.#showSample(card);
    this.#showPad();
  }

  #showSample(card) {
    const takes = takenBy(card);
    if (this.takes !== takes) at("sample").value = this.example = exampleFor(card);
    at("sample-takes").textContent = this.takes = takes;
  }

  #showPad() {
    at("pad").hidden = this.hasPicture;
    at("preview").hidden = !this.hasPicture;
    at("undo").disabled = this.hasPicture;
    at("pad-hint").textContent = WORDS[this.kind].hint;
    at("pad-hint").hidden = this.hasPicture || !this.pad.isEmpty;
  }

  #clear() {
    this.own.clear();
    if (this.kind !== "numbers") {
      this.pad.load([]);
      return;
    }
    at("sample").value = this.example;
    at("sample").dispatchEvent(new Event("input"));
  }

  #changed(change, onChange) {
    this.complain("");
    this.#showPad();
    onChange(change);
  }

  /** Say what is wrong with the input, at its field; nothing if nothing is. */
  complain(text) {
    at("input-problem").textContent = text;
    if (text) at("sample").setAttribute("aria-invalid", "true");
    else at("sample").removeAttribute("aria-invalid");
  }

  /** Return why a network cannot be asked for this input; nothing if it can. */
  reasonAgainst(card) {
    return this.hasPicture && kindOf(card) === "strokes" ? "It reads pen strokes, not pictures." : "";
  }

  /** Return the fields of a request that hold the input; a SyntaxError tells of a wrong sample. */
  fieldsFor(card) {
    const kind = kindOf(card);
    if (kind === "numbers") return { inputs: [sampleIn(at("sample").value)] };
    if (kind === "strokes") return { strokes: this.pad.strokes };
    return { image: this.hasPicture ? this.own.base64 : this.pad.picture() };
  }

  /** Return what addresses keep of it: nothing of pictures, nor what is long. */
  kept() {
    const isSample = this.kind === "numbers";
    if (this.hasPicture || this.waitsFor) return {};
    if (isSample && at("sample").value === this.example) return {};
    const [name, text] = isSample
      ? ["sample", at("sample").value]
      : ["strokes", asText(this.pad.strokes)];
    return text.length <= MOST_KEPT ? { [name]: text } : {};
  }

  /** Take what an address kept of an input. */
  restore({ sample, strokes }) {
    if (sample && this.kind === "numbers") {
      at("sample").value = sample;
      at("sample").dispatchEvent(new Event("input"));
    } else if (strokes && this.kind !== "numbers") {
      this.own.clear();
      this.pad.load(fromText(strokes, SIZE));
    }
  }
}
