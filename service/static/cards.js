/** The page of networks: their list, or the card of the one that the address names. */

import { showCard } from "./card.js";
import { code, make, section, table, words } from "./elements.js";
import { count, percent, shapeText, sigmaText } from "./formats.js";
import { askForKeyIf, keyIsRight, onKey } from "./keyform.js";
import { bestKnown } from "./measured.js";
import { get, wrong } from "./service.js";

/** Most networks whose cards are read for the list. */
const MOST_READ = 50;

/** What the list shows. */
const SAYS =
  "Accuracy is what the card says, under the noise of requests that name none: with one vote and " +
  "with N, the most that were measured. A dash: not measured.";

const at = (id) => document.getElementById(id);
const name = new URLSearchParams(location.search).get("checkpoint");

const addressOf = (name) => `networks?checkpoint=${encodeURIComponent(name)}`;

/** Return what a network takes, in short. */
function takes(shape) {
  if (Array.isArray(shape)) return shapeText(shape);
  return Object.entries(shape).map(([name, one]) => `${name} ${shapeText(one)}`).join(", ");
}

/** Return how a network's votes are computed. */
function engineOf({ engine, precision, engine_refused: refused }) {
  const text = `${engine}, ${precision}`;
  return refused ? make("span", {}, text, make("small", {}, `Not as set: ${refused}`)) : text;
}

/** Show the list, then what each network reaches, as its card comes. */
function showList({ checkpoints, refused }) {
  const cells = new Map();
  const rows = checkpoints.map((one) => {
    const link = make("a", { href: addressOf(one.name) }, one.name);
    const reaches = ["–", "–", "–"].map((text) => make("span", {}, text));
    cells.set(one.name, reaches);
    return [
      one.is_default ? make("span", {}, link, make("small", {}, " default")) : link,
      ...reaches,
      `${one.noise}, ${sigmaText(one.sigma_train)}`,
      takes(one.input_shape),
      count(one.labels.length),
      one.network,
      engineOf(one),
    ];
  });
  const heads = [
    "Network",
    "Accuracy, one vote",
    "Accuracy, N votes",
    "N",
    words("Trained for noise, sigma"),
    words("Input"),
    "Classes",
    words("Architecture"),
    words("Engine"),
  ];
  const all = table(`${count(rows.length)} networks serve`, heads, rows);
  at("content").replaceChildren(
    make("h2", { class: "name" }, "Networks"),
    make("p", { class: "lead" }, SAYS),
    all,
    ...refusals(refused),
  );
  return cells;
}

function refusals(refused) {
  const rows = Object.entries(refused);
  if (!rows.length) return [];
  const heads = ["Checkpoint", words("Reason")];
  return [section("Refused", table("Checkpoints that do not serve", heads, rows))];
}

/** Fill in what the networks of the list reach. */
async function fillIn(cells) {
  for (const [name, [one, most, votes]] of [...cells].slice(0, MOST_READ)) {
    const known = bestKnown(await get(`checkpoints/${encodeURIComponent(name)}`));
    if (!known) continue;
    one.textContent = known.one ? percent(known.one.accuracy) : "–";
    most.textContent = percent(known.most.accuracy);
    votes.textContent = `${known.most.votes}`;
  }
}

/** Show the card of the network that the address names. */
async function showOne(listed) {
  document.title = `noisevote: ${name}`;
  const summary = listed.checkpoints.find((one) => one.name === name);
  const back = make("p", { class: "back" }, make("a", { href: "networks" }, "All networks"));
  try {
    const card = await get(`checkpoints/${encodeURIComponent(name)}`);
    at("content").replaceChildren(back, ...showCard(card, summary ?? null));
  } catch (error) {
    const reason = Object.hasOwn(listed.refused, name) && listed.refused[name];
    const said = reason
      ? [make("p", {}, "This checkpoint does not serve: ", reason)]
      : [make("p", {}, wrong(error)), make("p", {}, "The address asks for ", code(name), ".")];
    at("content").replaceChildren(back, make("h2", { class: "name" }, name), ...said);
  }
}

async function show() {
  at("problem").textContent = "";
  try {
    const listed = await get("checkpoints");
    keyIsRight();
    if (name) await showOne(listed);
    else await fillIn(showList(listed));
  } catch (error) {
    at("content").replaceChildren();
    askForKeyIf(error);
    at("problem").textContent = `The networks cannot be listed: ${wrong(error)}.`;
  }
  at("content").removeAttribute("aria-busy");
}

onKey(show);
show();
