/** The try-it page: one input, the networks that read it, and the votes that each casts on it. */

import { keep, kept, setFields } from "./address.js";
import { Ballot } from "./ballot.js";
import { ofDevice, showCosts } from "./cost.js";
import { Input } from "./input.js";
import { wireLayers } from "./layers.js";
import { optionsFor, reasonAgainst, rolesOf } from "./networks.js";
import { chosenDevice, offerDevices, showDevices, showSnr, tellsCosts } from "./noise.js";
import { inWords, promiseOf } from "./promise.js";
import { cards, curl, devices, patientStream, Refusal, useKey } from "./service.js";
import * as settings from "./settings.js";

/** Milliseconds after the last stroke, or the last change of a setting, before votes are asked for. */
const PAUSE_MS = 700;
const SETTLE_MS = 400;
/** Fields of a request that hold the input. */
const INPUT_FIELDS = ["inputs", "image", "strokes"];
/** The refusal of a request that a large input has made too long. */
const TOO_LARGE = "body_too_large";

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
let costs = {};
/** What is waited for before votes are asked for; nothing once they are. */
let held = null;

const input = new Input(({ isDrawing, isWhole }) => {
  hold(input.waitsFor || input.waitsForEnd);
  remember();
  if (isWhole) vote();
  else if (!isDrawing) pause = setTimeout(vote, PAUSE_MS);
});

const roles = () => rolesOf(known, at("checkpoint").value);
const chosen = () => roles().hardened.card;
/** Return what is asked of every network. */
const asked = () => settings.options(chosen());

/** Return the body of the request to one network. */
const bodyFor = (card) => ({ checkpoint: card.name, ...asked(), ...input.fieldsFor(card) });

/** Return why one ballot is not asked; nothing if it is. */
function against({ card, reason }) {
  return card ? input.reasonAgainst(card) || reasonAgainst(card, asked()) : reason;
}

/** Ask for the votes of one ballot and show them; return what there is to announce. */
async function fill(name, card, signal) {
  const ballot = ballots[name];
  const body = bodyFor(card);
  ballot.start(card, body);
  const busy = (seconds) => ballot.say(`The service is busy; asks again in ${seconds} s.`);
  for await (const { name: kind, data } of patientStream(body, signal, busy)) {
    if (signal.aborted) return null; // what had come in already is of an older input
    if (kind === "votes") {
      ballot.add(data);
    } else {
      const [prediction] = data.predictions;
      costs[name] = tellsCosts() ? ofDevice(prediction.cost) : prediction.cost;
      ballot.end(prediction, data);
    }
  }
  if (!ballot.answer) throw new Error("the answer broke off");
  return ballot.done;
}

/** Ask for the votes of one ballot, or say why it is not asked. */
async function ask(name, role, signal) {
  const reason = against(role);
  if (reason) {
    ballots[name].clear(role.card, reason);
    return null;
  }
  try {
    return await fill(name, role.card, signal);
  } catch (error) {
    return complain(name, role.card, error, signal);
  }
}

/** Cast votes on the input as it is, under the settings as they are. */
async function vote() {
  clearTimeout(pause);
  settings.offerRules(chosen());
  if (input.waitsFor) return;
  if (!form.checkValidity()) {
    hold("Waits for settings that are allowed.");
    return;
  }
  if (input.fault) {
    hold("Waits for a sample that is allowed.");
    input.complain(input.fault);
    return;
  }
  current.abort();
  current = new AbortController();
  const { signal } = current;
  costs = {};
  held = null;
  say("");
  input.complain("");
  at("status").textContent = "Casting votes.";
  showCost();
  showCall();
  const shown = Object.entries(roles()).filter(([, { isShown }]) => isShown);
  const said = await Promise.all(shown.map(([name, role]) => ask(name, role, signal)));
  if (signal.aborted) return;
  at("status").textContent = said.filter(Boolean).join(" ");
  showCost();
}

/** Say what went wrong, and at which field of the request; nothing if nothing did. */
function say(problem, field = "") {
  at("problem").textContent = problem;
  settings.blame(field);
}

/** Show what went wrong with one ballot. */
function complain(name, card, error, signal) {
  if (signal.aborted) return null;
  if (error instanceof Refusal && error.field === "seed" && settings.forbidSeed()) {
    vote(); // the operator forbids seeds: ask again without
    return null;
  }
  askForKeyIf(error);
  const text = error instanceof Refusal ? error.message : "the service cannot be reached";
  ballots[name].clear(card, `No answer: ${text}.`);
  if (INPUT_FIELDS.includes(error.field) || error.code === TOO_LARGE) input.complain(`No answer: ${text}.`);
  else say(`No answer: ${text}.`, error.field);
  return null;
}

/** Drop what is under way and empty all ballots: what they showed holds no more. */
function hold(reason) {
  clearTimeout(pause);
  current.abort();
  if (held === reason) return;
  held = reason;
  costs = {};
  for (const [name, role] of Object.entries(roles())) {
    ballots[name].clear(role.card, role.reason || reason);
  }
  at("status").textContent = "";
  showCost();
  showCall();
}

function showCost() {
  const shown = Object.entries(roles()).filter(([, { isShown }]) => isShown);
  const columns = shown.map(([name]) => ({
    title: ballots[name].title,
    cost: costs[name] ?? null,
  }));
  showCosts(columns, at("energy").valueAsNumber);
}

function showCall() {
  const role = roles()[at("call-of").value];
  const reason = held ?? against(role);
  at("copy").disabled = Boolean(reason);
  at("call").textContent = reason || curl(bodyFor(role.card), input.file);
}

/** Show the ballots that say something of the chosen network, and what accuracy each promises. */
function showRoles() {
  const setting = { ...asked(), digest: chosenDevice()?.digest };
  const all = Object.entries(roles());
  for (const [name, role] of all) {
    const ballot = ballots[name];
    ballot.root.hidden = !role.isShown;
    const isAsked = role.card && form.checkValidity() && !reasonAgainst(role.card, setting);
    ballot.promise(isAsked ? inWords(promiseOf(role.card, setting, showRoles)) : "");
    const option = [...at("call-of").options].find(({ value }) => value === name);
    option.hidden = option.disabled = !role.isShown;
    if (option.disabled && option.selected) at("call-of").value = "hardened";
  }
  at("ballots").style.setProperty("--shown", all.filter(([, { isShown }]) => isShown).length);
}

/** Take a setting that has changed: the votes shown are of older ones. */
function changed() {
  say("");
  held = null; // another network has another card
  showRoles();
  hold(input.waitsFor || "Waits for the settings.");
  const { noise, sigma } = asked();
  showSnr(noise, sigma);
  remember();
  pause = setTimeout(vote, SETTLE_MS);
}

/** Keep the state in the address, once there is one. */
function remember() {
  if (known.length) keep(() => input.kept());
}

/** Take the state that the address holds, or that of a fresh page. */
function restore() {
  const state = kept();
  setFields(state, ["checkpoint"]);
  chooseNetwork();
  settings.takeSettings(chosen(), state);
  changed();
  input.restore(state);
  if (state.checkpoint && state.checkpoint !== at("checkpoint").value) {
    say(`The address names ${state.checkpoint}, which is not served here.`);
  }
}

/** Ask for what the chosen network takes, under its own noise. */
function chooseNetwork() {
  input.show(chosen());
  settings.useNoiseOf(chosen());
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
  at("copy").addEventListener("click", copy);
  at("call-of").addEventListener("change", showCall);
  at("new-seed").addEventListener("click", () => {
    settings.newSeed();
    changed();
  });
  wireLayers(() => form.dispatchEvent(new Event("input")));
  form.addEventListener("input", ({ target }) => {
    if (target === at("checkpoint")) chooseNetwork();
    if (target === at("sigma-slider")) at("sigma").value = target.value;
    if (target === at("sigma")) at("sigma-slider").value = target.value;
    showDevices(chosen(), target === at("device"));
    changed();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    vote();
  });
  at("latency").addEventListener("input", changed);
  at("energy").addEventListener("input", () => {
    showCost();
    remember();
  });
  addEventListener("hashchange", restore);
}

/** Let the user enter an API key if it is one that is missing. */
function askForKeyIf(error) {
  if (error instanceof Refusal && error.code === "unauthorized") at("key-form").hidden = false;
}

/** List the networks, and take up the state that the address holds. */
async function list() {
  try {
    const { cards: found, standard } = await cards();
    offerDevices(await devices());
    known = found;
    at("checkpoint").replaceChildren(...optionsFor(found));
    if (found.some(({ name }) => name === standard)) at("checkpoint").value = standard;
    at("key-form").hidden = true;
    restore();
  } catch (error) {
    changed();
    askForKeyIf(error);
    say(`The networks cannot be listed: ${error.message}.`);
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
  settings.newSeed();
  list();
}

begin();
