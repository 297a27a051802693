/** How a network is called, as a command and as a program, for what it takes. */

import { hint, make, section } from "./elements.js";
import { hasKey } from "./service.js";

/** Most numbers of an example that are written out one by one. */
const MOST_WRITTEN = 64;
const VOTES = 20;
const STROKE = "[[[14, 4], [13, 14], [12, 24]]]";
const KEY = "NOISEVOTE_API_KEY";

const address = () => new URL(".", document.baseURI).href.replace(/\/$/, "");

/** Return how input is given to a network: "image", "strokes" or "inputs". */
export function wayIn({ inputs }) {
  const [first, ...others] = inputs;
  if (others.length) return "inputs";
  if (first.preprocessing?.startsWith("mnist_strokes")) return "strokes";
  return first.preprocessing || first.picture ? "image" : "inputs";
}

/** Return a number that an input takes. */
function allowed({ dtype, range, seen }) {
  const [low, high] = seen ?? range ?? [0, 0];
  const number = low <= 0 && 0 <= high ? 0 : low;
  return dtype === "float32" && Number.isInteger(number) ? number.toFixed(1) : `${number}`;
}

const sizeOf = ({ shape }) => shape.reduce((product, side) => product * side, 1);

/** Return an array of one number, as JSON; Python and JavaScript read it, too. */
function written(number, [side, ...rest]) {
  const part = rest.length ? written(number, rest) : number;
  return `[${Array(side).fill(part).join(", ")}]`;
}

/** Return the same as an expression of Python, short whatever the shape. */
function multiplied(number, shape) {
  return shape.reduceRight((part, side) => `[${part}]${side === 1 ? "" : ` * ${side}`}`, number);
}

/** Return the inputs of a request with one sample, of arrays that `array` writes. */
function sampleOf({ inputs }, array) {
  const each = inputs.map((one) => array(allowed(one), one.shape));
  if (inputs.length === 1) return `[${each[0]}]`;
  const named = inputs.map(({ name }, at) => `${JSON.stringify(name)}: ${each[at]}`);
  return `[{${named.join(", ")}}]`;
}

const isShort = ({ inputs }) => inputs.reduce((sum, one) => sum + sizeOf(one), 0) <= MOST_WRITTEN;

/** Quote a text for a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return the command that asks for votes; it holds no key. */
export function asCommand(card) {
  const way = wayIn(card);
  const head = `{"checkpoint": ${JSON.stringify(card.name)}, "votes": ${VOTES}, "${way}": `;
  const key = hasKey() ? ` \\\n  -H "Authorization: Bearer $${KEY}"` : "";
  const post = (body) =>
    `curl -s ${address()}/predict \\\n  -H 'Content-Type: application/json'${key} \\\n  -d ${body}`;
  if (way === "image") {
    const picture = `'"$(base64 < picture.png | tr -d '\\n')"'`;
    return post(`${quoted(`${head}"`).slice(0, -1)}${picture}"}'`);
  }
  if (way === "strokes") return post(quoted(`${head}${STROKE}}`));
  if (isShort(card)) return post(quoted(`${head}${sampleOf(card, written)}}`));
  const made = `import json; print(json.dumps(${head}${sampleOf(card, multiplied)}}))`;
  return `python3 -c ${quoted(made)} |\n${post("@-")}`;
}

/** Return the program that asks for votes, with the client that comes with the service. */
export function asProgram(card) {
  const way = wayIn(card);
  const imports = ["from noisevote import Client, PredictRequest"];
  const lines = [];
  let given = sampleOf(card, isShort(card) ? written : multiplied);
  if (way === "image") {
    imports.unshift("from base64 import b64encode", "from pathlib import Path", "");
    lines.push('picture = b64encode(Path("picture.png").read_bytes()).decode()');
    given = "picture";
  } else if (way === "strokes") {
    given = STROKE;
  }
  if (hasKey()) imports.unshift("import os", ...(way === "image" ? [] : [""]));
  const name = JSON.stringify(card.name);
  const key = hasKey() ? `, api_key=os.environ["${KEY}"]` : "";
  lines.push(
    `asked = PredictRequest(checkpoint=${name}, ${way}=${given}, votes=${VOTES})`,
    `with Client("${address()}"${key}) as client:`,
    "    reply = client.predict(asked)",
    "(answer,) = reply.predictions",
    "print(answer.label, answer.votes_cast, answer.agreement)",
  );
  return [...imports, "", ...lines].join("\n");
}

/** Return a text with a button that copies it. */
function copied(title, text) {
  const shown = make("pre", { tabindex: "0", role: "group", "aria-label": title }, text);
  const said = make("span", { role: "status", class: "hint" });
  const button = make("button", { type: "button", "aria-label": `Copy ${title}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(shown);
      said.textContent = "Selected; copy it with the keyboard.";
    }
  });
  return [make("div", { class: "choose" }, make("h4", {}, title), said, button), shown];
}

const INTRODUCTIONS = {
  image: "It takes a picture, PNG or JPEG, here picture.png; and arrays, as inputs.",
  strokes: "It takes a drawing as pen strokes, points [x, y] in any unit, y down.",
  inputs: "It takes arrays; the numbers here stand for yours.",
};

/** Return how to call a network. */
export function callingSection(card) {
  return section(
    "How to call it",
    hint(INTRODUCTIONS[wayIn(card)]),
    ...copied("With curl", asCommand(card)),
    ...copied("In Python", asProgram(card)),
  );
}
