/** The form of an assessment: what fits what, and the body of the request. */

import { FieldError, forget } from "./complaints.js";
import { make } from "./elements.js";
import { count, sigmaText } from "./formats.js";

const FILE = "file";
const NUMBERS = [
  "sigma", "chip", "age_s", "votes", "epsilon", "step_size", "steps", "restarts", "draws",
  "queries", "query_samples", "replies", "seed",
];
const LISTS = ["epsilons", "sigmas", "vote_numbers"];

const at = (id) => document.getElementById(id);
const form = at("settings");

let choices = null;
let devices = [];

const target = () => choices.targets.find(({ name }) => name === at("target").value);
const device = () => devices.find(({ name }) => name === at("device").value);

/** Show a field with its label, or hide both; what is hidden is neither checked nor sent. */
function show(id, isShown) {
  at(id).closest(".field").hidden = !isShown;
  at(id).disabled = !isShown;
}

const hint = (id, text) => {
  at(`${id}-hint`).textContent = text;
};

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
  const why = found.missing
    ? `${found.missing}. Then start the service again`
    : "needed is a checkpoint of one input of numbers with a range";
  const isPossible = !found.missing && found.targets.length > 0;
  form.hidden = !isPossible;
  at("missing").hidden = isPossible;
  at("missing").textContent = isPossible ? "" : `No assessment can be started here: ${why}.`;
  if (!isPossible) return;
  const standard = found.targets.find(({ is_default: isDefault }) => isDefault)?.name;
  offer("target", found.targets.map(({ name }) => [name]), standard);
  const most = count(found.max_samples);
  const votes = count(found.max_votes);
  hint("votes", `1 to ${votes}; fewer of large networks, a quarter where square averages noise out`);
  hint("images", `test images of the data set, 1 to ${most}`);
  hint("inputs", `JSON with inputs and labels as in the API, up to ${most} samples`);
  offerAttacks();
  offerForTarget();
}

function offerAttacks() {
  const boxes = choices.attacks.map(({ name, label, missing, is_default: isDefault }) => {
    const id = `attack-${name}`;
    const box = make("input", { type: "checkbox", name: "attacks", value: name, id });
    box.checked = isDefault;
    const parts = [box, ` ${name}: ${label}`];
    if (missing) parts.push(make("span", { class: "hint" }, ` (${missing})`));
    return make("label", { class: "box" }, ...parts);
  });
  at("attacks").replaceChildren(...boxes);
}

/** Offer what fits the chosen target. */
function offerForTarget() {
  const { name: own, surrogates, peers, range, kinds, noise, labels } = target();
  const networks = surrogates.map((name) => [
    name,
    name === own ? `${name} (the target itself)` : name,
  ]);
  const chosen = at("surrogate").value === own ? surrogates[0] : null;
  offer("surrogate", [...networks, ["", "none: he can only ask"]], chosen);
  offer("undefended", [["", "none"], ...peers.map((name) => [name])]);
  offer("noise", kinds.map((kind) => [kind]), noise);
  offer("class", labels.map((label, number) => [
    `${number}`,
    label === `${number}` ? label : `${number}: ${label}`,
  ]));
  const usable = target().takes_devices ? devices : [];
  const named = usable.map(({ name }) => [name, `on the device ${name}`]);
  offer("device", [["", "of a sigma"], ...named]);
  offerSamples();
  const [low, high] = range;
  hint("epsilon", `above 0, at most ${high - low}: the most that an element may change; inputs run
    from ${low} to ${high}`);
  agree();
}

/** Offer data sets that fit and are there, and say what to do about those that are not. */
function offerSamples() {
  const names = target().datasets;
  const lacking = names.filter((name) => choices.datasets[name]);
  const there = names.filter((name) => !lacking.includes(name));
  offer("dataset", [
    ...there.map((name) => [name]),
    [FILE, "a file of yours"],
    ...lacking.map((name) => [name, `${name} (not on the server)`]),
  ]);
  for (const option of at("dataset").options) option.disabled = lacking.includes(option.value);
  if (lacking.includes(at("dataset").value)) at("dataset").value = there[0] ?? FILE;
  at("no-data").hidden = lacking.length === 0 || there.length > 0;
  const ways = lacking.map((name) => choices.datasets[name]).join("; ");
  at("no-data").textContent = `There are no test images to attack: ${ways}.`;
}

/** Bring fields into agreement that depend on each other. */
function agree() {
  agreeOnNoise(target());
  agreeOnAttacker(target());
  const isFile = at("dataset").value === FILE;
  show("images", !isFile);
  show("inputs", isFile);
  show("class", at("target_class").value === "one");
}

function agreeOnNoise(chosen) {
  const onDevice = device();
  const sigma = at("noise").value === chosen.noise ? chosen.sigma : null;
  for (const id of ["sigma", "noise", "sigmas"]) show(id, !onDevice);
  at("sigma").required = sigma === null && !onDevice;
  at("sigma").placeholder = sigma === null ? "" : sigmaText(sigma);
  hint("sigma", sigma === null
    ? "needed, as the network was not trained for this noise: above 0, up to 1000"
    : "above 0, up to 1000; empty: what the network was trained for");
  show("chip", Boolean(onDevice?.effects.includes("frozen")));
  show("age_s", Boolean(onDevice?.effects.includes("ages")));
  if (!onDevice) return;
  const [youngest, oldest] = onDevice.ages_s;
  at("age_s").placeholder = youngest;
  hint("age_s", `${youngest} to ${oldest}, as far as the device is known; empty: ${youngest}`);
}

function agreeOnAttacker({ name, takes_pictures: takesPictures }) {
  const surrogate = at("surrogate").value;
  const hints = {
    "": "attacks that need gradients are not tried",
    [name]: "no black-box attack: the attacker has the target itself",
  };
  hint("surrogate", hints[surrogate] ?? "for its gradients, as if he had trained it himself");
  at("climbing").disabled = surrogate === "";
  at("target_class").querySelector('[value="least_likely"]').disabled = surrogate === "";
  for (const attack of choices.attacks) {
    const lacksNetwork = attack.needs_surrogate && surrogate === "";
    const lacksPictures = attack.needs_pictures && !takesPictures;
    at(`attack-${attack.name}`).disabled = lacksNetwork || lacksPictures || Boolean(attack.missing);
  }
}

/** Choose an attack where other networks have left none of those that were chosen. */
function keepAnAttack() {
  const [first] = form.querySelectorAll('[name="attacks"]:enabled');
  if (first && !form.querySelector('[name="attacks"]:enabled:checked')) first.checked = true;
}

/** Return what a field holds; nothing if it is empty, hidden or of no use. */
function held(id) {
  const field = at(id);
  if (field.matches(":disabled") || field.value === "") return undefined;
  return field.type === "number" ? field.valueAsNumber : field.value;
}

/** Return the numbers that a field lists; nothing if it is empty. */
function numbersIn(id) {
  const parts = held(id)?.split(",");
  const numbers = parts?.map((part) => (part.trim() ? Number(part) : NaN));
  if (numbers?.some(Number.isNaN)) {
    throw new FieldError(id, "Needed are numbers with commas between.");
  }
  return numbers;
}

const each = (names, value) => Object.fromEntries(names.map((name) => [name, value(name)]));

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
    throw new FieldError("inputs", "The file is not JSON.");
  }
  if (!content?.inputs) throw new FieldError("inputs", 'The file has no "inputs".');
  return { inputs: content.inputs, labels: predicted ?? content.labels };
}

/**
 * Return the body of the request.
 * @throws {FieldError} a field holds what it cannot
 */
export async function bodyOf() {
  const wrong = [...form.elements].find((field) => field.willValidate && !field.validity.valid);
  if (wrong) throw new FieldError(wrong.name, wrong.validationMessage);
  const attacks = form.querySelectorAll('[name="attacks"]:enabled:checked');
  const isOneClass = at("target_class").value === "one";
  const isOwnNoise = at("noise").value === target().noise;
  return {
    target: at("target").value,
    surrogate: at("surrogate").value || null,
    undefended: held("undefended"),
    device: held("device"),
    noise: isOwnNoise ? undefined : held("noise"),
    ...each(NUMBERS, held),
    norm: at("norm").value,
    target_class: isOneClass ? Number(at("class").value) : held("target_class"),
    attacks: [...attacks].map(({ value }) => value),
    adaptive: at("adaptive").checked,
    white_box: at("white_box").checked,
    ...each(LISTS, numbersIn),
    ...(await samples()),
  };
}

form.addEventListener("input", ({ target: field }) => {
  forget(field);
  if (field === at("target")) offerForTarget();
  else agree();
  if (field === at("target") || field === at("surrogate")) keepAnAttack();
});
