/** The try-it page: one drawing, three networks, and the votes that each casts on it. */

import { Ballot, sigmaOfTraining } from "./ballot.js";
import { showCosts } from "./cost.js";
import { EXAMPLES } from "./examples.js";
import { Pad } from "./pad.js";
import { cards, curl, Refusal, stream, useKey } from "./service.js";

/** Milliseconds after the last stroke before the votes are asked for. */
const PAUSE_MS = 700;
const READS_PICTURES = "mnist_digit-";
const READS_STROKES = "mnist_strokes-1";

const at = (id) => document.getElementById(id);
const form = at("settings");
const ballots = {
  hardened: new Ballot(at("ballots"), at("ballot"), "Chosen network"),
  plain: new Ballot(at("ballots"), at("ballot"), "Trained without noise"),
  strokes: new Ballot(at("ballots"), at("ballot"), "The pen strokes themselves"),
};

let known = [];
let current = new AbortController();
let pause = null;
let seedIsAllowed = true;
let answers = {};

const pad = new Pad(at("pad"), ({ isDrawing, isWhole }) => {
  at("pad-hint").hidden = !pad.isEmpty;
  clearTimeout(pause);
  if (pad.isEmpty) reset();
  else if (isWhole) vote();
  else if (!isDrawing) pause = setTimeout(vote, PAUSE_MS);
});

/** Return the card that each ballot is for, or null. */
function chosen() {
  const hardened = known.find((card) => card.name === at("checkpoint").value) ?? null;
  const readsStrokes = known.filter((card) => card.input.preprocessing === READS_STROKES);
  return {
    hardened,
    plain:
      known.find(
        (card) => card.network === hardened?.network && sigmaOfTraining(card) === 0,
      ) ?? null,
    strokes:
      readsStrokes.find(
        (card) => sigmaOfTraining(card) > 0 && card.noise.kind === hardened?.noise.kind,
      ) ?? null,
  };
}

/** Return the body of the request for one ballot. */
function bodyFor(name, card) {
  const drawing = name === "strokes" ? { strokes: pad.strokes } : { image: pad.picture() };
  const options = {
    checkpoint: card.name,
    noise: chosen().hardened.noise.kind,
    sigma: at("sigma").valueAsNumber,
    votes: at("votes").valueAsNumber,
    stop: at("stop").value,
    hardware: { latency: at("latency").valueAsNumber },
  };
  if (seedIsAllowed) options.seed = at("seed").valueAsNumber;
  return { ...options, ...drawing };
}

/** Ask for the votes of one ballot and show them; return what there is to announce. */
async function fill(name, card, signal) {
  const ballot = ballots[name];
  const body = bodyFor(name, card);
  ballot.start(card, body.votes);
  for await (const { name: kind, data } of stream(body, signal)) {
    if (kind === "votes") {
      ballot.add(data);
    } else {
      const [prediction] = data.predictions;
      answers[name] = { cost: prediction.cost, seed: data.seed };
      ballot.end(prediction);
    }
  }
  return ballot.done;
}

/** Cast votes on the drawing as it is, under the settings as they are. */
async function vote() {
  clearTimeout(pause);
  if (pad.isEmpty || !form.reportValidity()) return;
  current.abort();
  current = new AbortController();
  const { signal } = current;
  answers = {};
  at("problem").textContent = "";
  at("status").textContent = "Casting votes.";
  showCall();
  const asked = Object.entries(chosen()).filter(([, card]) => card !== null);
  const said = await Promise.all(
    asked.map(([name, card]) =>
      fill(name, card, signal).catch((error) => complain(name, card, error, signal)),
    ),
  );
  if (signal.aborted) return;
  at("status").textContent = said.filter(Boolean).join(" ");
  showCost();
}

/** Show what went wrong with one ballot. */
function complain(name, card, error, signal) {
  if (signal.aborted) return null;
  if (error instanceof Refusal && error.field === "seed" && seedIsAllowed) {
    seedIsAllowed = false; // the operator forbids seeds: ask again without
    at("seed").disabled = at("new-seed").disabled = true;
    vote();
    return null;
  }
  askForKeyIf(error);
  const text = error instanceof Refusal ? error.message : "the service cannot be reached";
  ballots[name].clear(card, `No answer: ${text}.`);
  at("problem").textContent = `No answer: ${text}.`;
  return null;
}

/** Empty all ballots. */
function reset() {
  current.abort();
  answers = {};
  for (const [name, card] of Object.entries(chosen())) {
    ballots[name].clear(card, card ? "Waits for a drawing." : "No such network is served here.");
  }
  at("status").textContent = "";
  showCost();
  showCall();
}

function showCost() {
  const columns = Object.entries(ballots).map(([name, ballot]) => ({
    title: ballot.title,
    cost: answers[name]?.cost ?? null,
  }));
  showCosts(columns, at("energy").valueAsNumber);
}

function showCall() {
  const name = at("call-of").value;
  const card = chosen()[name];
  at("copy").disabled = pad.isEmpty || !card;
  at("call").textContent =
    pad.isEmpty || !card ? "Draw a digit first." : curl(bodyFor(name, card));
}

/** Say what SNR the sigma means. */
function showSnr() {
  const sigma = at("sigma").valueAsNumber;
  const additive = chosen().hardened?.noise.kind === "additive";
  let text = `${(-20 * Math.log10(sigma)).toFixed(1).replace("-0.0", "0.0")} dB`;
  if (!(sigma >= 0)) text = "–";
  else if (sigma === 0) text = "no noise";
  else if (additive) text = "depends on the signal's power";
  at("snr").textContent = text.replace("-", "\u2212");
}

function settled() {
  showSnr();
  if (pad.isEmpty) reset();
  else vote();
}

function newSeed() {
  at("seed").value = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
}

async function copy() {
  const text = at("call").textContent;
  try {
    await navigator.clipboard.writeText(text);
    at("status").textContent = "The command is copied.";
  } catch {
    getSelection().selectAllChildren(at("call"));
    at("status").textContent = "The command is selected; copy it with the keyboard.";
  }
}

function wire() {
  EXAMPLES.forEach((strokes, digit) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = digit;
    button.setAttribute("aria-label", `Example of a ${digit}`);
    button.addEventListener("click", () => pad.load(strokes));
    at("examples").append(button);
  });
  at("pad").addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
    if (/^\d$/.test(key) && !ctrlKey && !metaKey && !altKey) pad.load(EXAMPLES[Number(key)]);
  });
  at("undo").addEventListener("click", () => pad.undo());
  at("clear").addEventListener("click", () => pad.load([]));
  at("copy").addEventListener("click", copy);
  at("call-of").addEventListener("change", showCall);
  at("new-seed").addEventListener("click", () => {
    newSeed();
    settled();
  });
  at("sigma-slider").addEventListener("input", ({ target }) => {
    at("sigma").value = target.value;
    showSnr();
  });
  at("sigma").addEventListener("input", ({ target }) => {
    at("sigma-slider").value = target.value;
    showSnr();
  });
  form.addEventListener("change", ({ target }) => {
    if (target === at("checkpoint")) useSigmaOfTraining();
    settled();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    vote();
  });
  at("latency").addEventListener("change", settled);
  at("energy").addEventListener("input", showCost);
}

/** Set the noise to the one that the network was hardened for. */
function useSigmaOfTraining() {
  const { hardened } = chosen();
  const sigma = hardened ? sigmaOfTraining(hardened) : 0;
  if (sigma > 0) at("sigma").value = at("sigma-slider").value = sigma;
}

/** Let the user enter an API key if it is one that is missing. */
function askForKeyIf(error) {
  if (error instanceof Refusal && error.code === "unauthorized") at("key-form").hidden = false;
}

/** List the networks, and wait for a drawing. */
async function list() {
  at("problem").textContent = "";
  try {
    const { cards: found, standard } = await cards();
    known = found;
    const readsPictures = found.filter((card) => card.input.preprocessing.startsWith(READS_PICTURES));
    const names = readsPictures.map(({ name }) => name);
    at("checkpoint").replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(standard)) at("checkpoint").value = standard;
    useSigmaOfTraining();
    at("key-form").hidden = true;
  } catch (error) {
    askForKeyIf(error);
    at("problem").textContent = `The networks cannot be listed: ${error.message}.`;
  }
  settled();
}

function begin() {
  for (const [name, ballot] of Object.entries(ballots)) {
    at("call-of").append(new Option(ballot.title, name));
  }
  wire();
  at("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(at("key").value.trim());
    list();
  });
  newSeed();
  list();
}

begin();
