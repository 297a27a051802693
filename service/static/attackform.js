/** The form of an assessment: what fits what, the body of the request, what is wrong with a field. */

import { make } from "./elements.js";
import { count, sigmaText } from "./formats.js";

const FILE = "file";
const at = (id) => document.getElementById(id);
const form = at("settings");

let choices = null;
let devices = [];

/** What is wrong with a field that the page itself can see. */
export class FieldError extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

const target = () => choices.targets.find(({ name }) => name === at("target").value);
const device = () => devices.find(({ name }) => name === at("device").value);
const isOffered = (field) => !field.hidden && !field.disabled;

/** Show a field with its label, or hide both; what is hidden is neither checked nor sent. */
function show(id, isShown) {
  at(id).closest(".field").hidden = !isShown;
  at(id).disabled = !isShown;
}

/** Put options into a choice, and keep what is chosen if it is among them. */
function offer(id, options, wanted = null) {
  const chosen = wanted ?? (at(id).length ? at(id).value : null);
  at(id).replaceChildren(...options.map(([value, text = value]) => new Option(text, value)));
  if (options.some(([value]) => value === chosen)) at(id).value = chosen;
}

/** Offer what the service has, and say what it lacks. */
export function offerAll(found, foundDevices) {
  choices = found;
  devices = foundDevices;
  const why = found.missing && `${found.missing}. Then start the service again`;
  const none = "needed is a checkpoint of one input of numbers with a range";
  const isPossible = !found.missing && found.targets.length > 0;
  form.hidden = !isPossible;
  at("missing").hidden = isPossible;
  at("missing").textContent = isPossible ? "" : `No assessment can be started here: ${why ?? none}.`;
  if (!isPossible) return;
  const standard = found.targets.find(({ is_default: isDefault }) => isDefault)?.name;
  offer("target", found.targets.map(({ name }) => [name]), standard);
  at("votes-hint").textContent = `1 to ${count(found.max_votes)}; of large networks fewer, and of attackers who ask for four times as many a quarter`;
  at("images-hint").textContent = `test images of the data set, 1 to ${count(found.max_samples)}`;
  at("inputs-hint").textContent = `JSON with inputs and labels as in the API, up to ${count(found.max_samples)} samples`;
  offerAttacks();
  offerForTarget();
}

function offerAttacks() {
  const boxes = choices.attacks.map(({ name, label, missing }) => {
    const box = make("input", { type: "checkbox", name: "attacks", value: name, id: `attack-${name}` });
    box.checked = name !== "hop_skip_jump";
    const parts = [box, ` ${name}: ${label}`];
    if (missing) parts.push(make("span", { class: "hint" }, ` (${missing})`));
    return make("label", { class: "box" }, ...parts);
  });
  at("attacks").replaceChildren(...boxes);
}

/** Offer what fits the chosen target. */
function offerForTarget() {
  const { surrogates, peers, datasets, range, kinds, noise, labels, takes_devices: takes } = target();
  offer("surrogate", [
    ...surrogates.map((name) => [name, name === at("target").value ? `${name} (the target itself)` : name]),
    ["", "none: he can only ask"],
  ]);
  offer("undefended", [["", "none"], ...peers.map((name) => [name])]);
  offer("noise", kinds.map((kind) => [kind]), noise);
  offer("class", labels.map((label, number) => [`${number}`, label === `${number}` ? label : `${number}: ${label}`]));
  const usable = takes ? devices.map(({ name }) => [name, `on the device ${name}`]) : [];
  offer("device", [["", "of a sigma"], ...usable]);
  offerSamples(datasets);
  const [low, high] = range;
  at("epsilon-hint").textContent = `above 0, at most ${high - low}: the most that an element may change; inputs run from ${low} to ${high}`;
  agree();
}

/** Offer data sets that fit and are there, and say what to do about those that are not. */
function offerSamples(names) {
  const lacking = names.filter((name) => choices.datasets[name]);
  offer("dataset", [
    ...names.map((name) => [name, lacking.includes(name) ? `${name} (not on the server)` : name]),
    [FILE, "a file of yours"],
  ]);
  for (const option of at("dataset").options) option.disabled = lacking.includes(option.value);
  if (lacking.includes(at("dataset").value)) {
    at("dataset").value = names.find((name) => !lacking.includes(name)) ?? FILE;
  }
  at("no-data").hidden = lacking.length === 0 || lacking.length < names.length;
  const ways = lacking.map((name) => choices.datasets[name]).join("; ");
  at("no-data").textContent = `There are no test images to attack: ${ways}.`;
}

/** Bring fields into agreement that depend on each other. */
function agree() {
  const onDevice = device();
  const chosen = target();
  const kind = at("noise").value;
  const sigma = kind === chosen.noise ? chosen.sigma : null;
  show("sigma", !onDevice);
  show("noise", !onDevice);
  show("sigmas", !onDevice);
  at("sigma").required = sigma === null && !onDevice;
  at("sigma").placeholder = sigma === null ? "" : sigmaText(sigma);
  at("sigma-hint").textContent = sigma === null
    ? "needed: the network was not trained for this noise; above 0, up to 1000"
    : "above 0, up to 1000; empty: what the network was trained for";
  show("chip", Boolean(onDevice?.effects.includes("frozen")));
  show("age_s", Boolean(onDevice?.effects.includes("ages")));
  if (onDevice) {
    const [youngest, oldest] = onDevice.ages_s;
    at("age_s").placeholder = youngest;
    at("age_s-hint").textContent = `${youngest} to ${oldest}, for which the device is known; empty: ${youngest}`;
  }
  agreeOnAttacker(chosen);
  const isFile = at("dataset").value === FILE;
  show("images", !isFile);
  show("inputs", isFile);
  show("class", at("target_class").value === "one");
}

function agreeOnAttacker({ name, takes_pictures: takesPictures }) {
  const surrogate = at("surrogate").value;
  const hints = { "": "attacks that need gradients are not tried", [name]: "no black-box attack: the attacker has the target itself" };
  at("surrogate-hint").textContent = hints[surrogate] ?? "for its gradients; like a network that he trained himself";
  at("climbing").disabled = surrogate === "";
  at("target_class").querySelector('[value="least_likely"]').disabled = surrogate === "";
  const boxes = choices.attacks.map((attack) => {
    const box = at(`attack-${attack.name}`);
    const lacks = (attack.needs_surrogate && surrogate === "") || (attack.needs_pictures && !takesPictures);
    box.disabled = lacks || Boolean(attack.missing);
    return box;
  });
  const allowed = boxes.filter((box) => !box.disabled);
  if (allowed.length > 0 && !allowed.some((box) => box.checked)) allowed[0].checked = true;
}

/** Return the numbers that a field lists; nothing if it is empty. */
function numbersIn(id) {
  const text = at(id).value.trim();
  if (!text || !isOffered(at(id)) || at("climbing").disabled) return undefined;
  const numbers = text.split(",").map(Number);
  if (numbers.some(Number.isNaN)) throw new FieldError(id, "needed are numbers with commas between");
  return numbers;
}

/** Return what a field holds; nothing if it is empty, hidden or of no use. */
function held(id) {
  const field = at(id);
  if (field.disabled || field.matches(":disabled") || field.value === "") return undefined;
  return field.type === "number" ? field.valueAsNumber : field.value;
}

/** Return the samples, as the request has them. */
async function samples() {
  const predicted = at("labels").checked ? "predicted" : undefined;
  if (at("dataset").value !== FILE) {
    return { dataset: at("dataset").value, images: held("images"), labels: predicted };
  }
  let content;
  try {
    content = JSON.parse(await at("inputs").files[0].text());
  } catch {
    throw new FieldError("inputs", "the file is not JSON");
  }
  if (!content?.inputs) throw new FieldError("inputs", 'the file has no "inputs"');
  return { inputs: content.inputs, labels: predicted ?? content.labels };
}

/** Return the class that is wanted, or the rule for it. */
function wanted() {
  return at("target_class").value === "one" ? Number(at("class").value) : held("target_class");
}

/**
 * Return the body of the request.
 * @throws {FieldError} a field holds what it cannot
 */
export async function bodyOf() {
  const wrong = [...form.elements].find((field) => field.willValidate && !field.validity.valid);
  if (wrong) throw new FieldError(wrong.name, wrong.validationMessage);
  const numbers = [
    "sigma", "chip", "age_s", "votes", "epsilon", "step_size", "steps", "restarts", "draws",
    "queries", "query_samples", "replies", "seed",
  ];
  return {
    target: at("target").value,
    surrogate: at("surrogate").value || null,
    undefended: held("undefended"),
    device: held("device"),
    noise: held("noise") === target().noise ? undefined : held("noise"),
    ...Object.fromEntries(numbers.map((name) => [name, held(name)])),
    norm: held("norm"),
    target_class: wanted(),
    attacks: [...form.querySelectorAll('[name="attacks"]:enabled:checked')].map(({ value }) => value),
    adaptive: at("adaptive").checked,
    white_box: at("white_box").checked,
    ...Object.fromEntries(["epsilons", "sigmas", "vote_numbers"].map((name) => [name, numbersIn(name)])),
    ...(await samples()),
  };
}

/** Where what is wrong with a field of the request is shown, if that has another name. */
const SHOWN_AT = { samples: "inputs", snr_db: "sigma", chips: "chip" };

/** Forget what was wrong with a field, or with all. */
export function forget(field = form) {
  const places = field === form ? form.querySelectorAll(".wrong") : field.closest(".field")?.querySelectorAll(".wrong");
  for (const place of places ?? []) {
    const named = at(place.dataset.of);
    named.removeAttribute("aria-invalid");
    const others = (named.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
    if (others.length) named.setAttribute("aria-describedby", others.join(" "));
    else named.removeAttribute("aria-describedby");
    place.remove();
  }
}

/** Say at a field what is wrong with it, and go there; return whether there is such a field. */
export function complainAt(path, message) {
  const [name] = (path ?? "").split(".");
  let field = at(SHOWN_AT[name] ?? name);
  if (name === "labels" && at("dataset").value === FILE && !at("labels").checked) field = at("inputs");
  if (name === "dataset" && field.closest("[hidden]")) field = at("inputs");
  if (!field || !form.contains(field) || field.closest("[hidden]")) return false;
  const place = make("p", { class: "wrong", id: `${field.id}-wrong`, "data-of": field.id }, message);
  field.closest(".field").append(place);
  if (field.matches("input, select")) field.setAttribute("aria-invalid", "true");
  const described = field.getAttribute("aria-describedby");
  field.setAttribute("aria-describedby", described ? `${place.id} ${described}` : place.id);
  const folded = field.closest("details");
  if (folded) folded.open = true;
  field.focus();
  return true;
}

form.addEventListener("input", ({ target: field }) => {
  forget(field);
  if (field === at("target")) offerForTarget();
  else agree();
});
