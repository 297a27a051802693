/** The try-it page: one drawing, three networks, and the votes that each casts on it. */

import { Ballot } from "./ballot.js";
import { ofDevice, showCosts } from "./cost.js";
import { EXAMPLES } from "./examples.js";
import {
  calibratedFor,
  isCalibrated,
  readsPictures,
  reasonAgainst,
  rolesOf,
  sigmaOfTraining,
} from "./networks.js";
import { noiseFields, offerDevices, showDevices, showSnr, tellsCosts } from "./noise.js";
import { Pad } from "./pad.js";
import { cards, curl, devices, patientStream, Refusal, useKey } from "./service.js";

/** Milliseconds after the last stroke, or the last change of a setting, before votes are asked for. */
const PAUSE_MS = 700;
const SETTLE_MS = 400;

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
/** What is waited for before votes are asked for; nothing once they are. */
let held = null;

const pad = new Pad(at("pad"), ({ isDrawing, isWhole }) => {
  at("pad-hint").hidden = !pad.isEmpty;
  hold(pad.isEmpty ? "Waits for a drawing." : "Waits for the end of the drawing.");
  if (isWhole) vote();
  else if (!isDrawing) pause = setTimeout(vote, PAUSE_MS);
});

const roles = () => rolesOf(known, at("checkpoint").value);

/** Return what is asked of every network. */
function options() {
  const asked = {
    ...noiseFields(roles().hardened.card?.noise.kind),
    votes: at("votes").valueAsNumber,
    stop: at("stop").value,
  };
  if (!tellsCosts()) asked.hardware = { latency: at("latency").valueAsNumber };
  if (seedIsAllowed) asked.seed = at("seed").valueAsNumber;
  return asked;
}

/** Return the body of the request for one ballot. */
function bodyFor(name, card) {
  const drawing = name === "strokes" ? { strokes: pad.strokes } : { image: pad.picture() };
  return { checkpoint: card.name, ...options(), ...drawing };
}

/** Ask for the votes of one ballot and show them; return what there is to announce. */
async function fill(name, card, signal) {
  const ballot = ballots[name];
  const body = bodyFor(name, card);
  ballot.start(card, body.votes);
  const busy = (seconds) => ballot.say(`The service is busy; asks again in ${seconds} s.`);
  for await (const { name: kind, data } of patientStream(body, signal, busy)) {
    if (signal.aborted) return null; // what had come in already is of an older drawing
    if (kind === "votes") {
      ballot.add(data);
    } else {
      const [prediction] = data.predictions;
      answers[name] = { cost: prediction.cost, seed: data.seed };
      if (tellsCosts()) answers[name].cost = ofDevice(prediction.cost);
      ballot.end(prediction, data.guarantee);
    }
  }
  if (!ballot.answer) throw new Error("the answer broke off");
  return ballot.done;
}

/** Ask for the votes of one ballot, or say why it is not asked. */
async function ask(name, { card, reason }, signal) {
  const against = card ? reasonAgainst(card, options()) : reason;
  if (against) {
    ballots[name].clear(card, against);
    return null;
  }
  try {
    return await fill(name, card, signal);
  } catch (error) {
    return complain(name, card, error, signal);
  }
}

/** Cast votes on the drawing as it is, under the settings as they are. */
async function vote() {
  clearTimeout(pause);
  offerRules();
  if (pad.isEmpty) return;
  if (!form.checkValidity()) {
    hold("Waits for settings that are allowed.");
    return;
  }
  current.abort();
  current = new AbortController();
  const { signal } = current;
  answers = {};
  held = null;
  at("problem").textContent = "";
  at("status").textContent = "Casting votes.";
  showCost();
  showCall();
  const said = await Promise.all(
    Object.entries(roles()).map(([name, role]) => ask(name, role, signal)),
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

/** Drop what is under way and empty all ballots: what they showed holds no more. */
function hold(reason) {
  clearTimeout(pause);
  current.abort();
  if (held === reason) return;
  held = reason;
  answers = {};
  for (const [name, role] of Object.entries(roles())) {
    ballots[name].clear(role.card, role.reason || reason);
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
  const { card, reason } = roles()[name];
  const against = held ?? (card ? reasonAgainst(card, options()) : reason);
  at("copy").disabled = Boolean(against);
  at("call").textContent = against || curl(bodyFor(name, card));
}

/** Take a setting that has changed: the votes shown are of older ones. */
function changed() {
  at("problem").textContent = "";
  held = null; // another network has another card
  hold(pad.isEmpty ? "Waits for a drawing." : "Waits for the settings.");
  showSnr(options().noise);
  pause = setTimeout(vote, SETTLE_MS);
}

/** Offer the rule `calibrated` where the chosen network has a margin for it. */
function offerRules() {
  const { card } = roles().hardened;
  const option = form.querySelector('[value="calibrated"]');
  option.disabled = !card || !isCalibrated(card, options());
  option.textContent = `calibrated: ${card ? calibratedFor(card) : "no network"}`;
  if (option.disabled && option.selected) at("stop").value = "full";
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
    changed();
  });
  form.addEventListener("input", ({ target }) => {
    if (target === at("checkpoint")) useSigmaOfTraining();
    showDevices(roles().hardened.card, target === at("device"));
    if (target === at("sigma-slider")) at("sigma").value = target.value;
    if (target === at("sigma")) at("sigma-slider").value = target.value;
    changed();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    vote();
  });
  at("latency").addEventListener("input", changed);
  at("energy").addEventListener("input", showCost);
}

/** Set the noise to the one that the network was trained for, as a request without sigma has it. */
function useSigmaOfTraining() {
  const { card } = roles().hardened;
  if (card) at("sigma").value = at("sigma-slider").value = sigmaOfTraining(card);
}

/** Let the user enter an API key if it is one that is missing; a link could not send it. */
function askForKeyIf(error) {
  if (!(error instanceof Refusal && error.code === "unauthorized")) return;
  at("key-form").hidden = false;
  at("list").removeAttribute("href");
  at("list").textContent = "Checkpoints (with a key)";
}

/** List the networks, and wait for a drawing. */
async function list() {
  try {
    const { cards: found, standard, listedAt } = await cards();
    offerDevices(await devices());
    known = found;
    const names = found.filter(readsPictures).map(({ name }) => name);
    at("checkpoint").replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(standard)) at("checkpoint").value = standard;
    useSigmaOfTraining();
    showDevices(roles().hardened.card, true);
    at("key-form").hidden = true;
    at("list").href = listedAt;
    at("list").textContent = "Checkpoints";
    changed();
  } catch (error) {
    changed();
    askForKeyIf(error);
    at("problem").textContent = `The networks cannot be listed: ${error.message}.`;
  }
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
