/** The card of a network: what it is, what was measured of it, how it is called. */

import { callingSection } from "./calling.js";
import { code, folded, make, section, table, terms } from "./elements.js";
import { count, digits, shapeText, sigmaText } from "./formats.js";
import { accuracySection, devicesSection, votesSection } from "./measured.js";
import { sigmaOfTraining } from "./networks.js";
import { studySection } from "./study.js";

/** Most rows of a table that is open from the start, and most labels that are written out. */
const MOST_ROWS = 12;
const MOST_LABELS = 20;

/** Return what a network is, in a sentence. */
function lead(card) {
  const { imported, training, noise } = card;
  if (imported) return `${card.network}, made elsewhere and imported from ${imported.source}.`;
  const { hardening = {}, dataset = "its data", adversary } = training.recipe;
  let way = "without noise";
  if (hardening.device) way = `on chips of the device ${hardening.device}`;
  else if (sigmaOfTraining(card) > 0) {
    way = `under ${noise.kind} noise of sigma ${sigmaText(noise.sigma_train)}`;
  }
  return `${card.network}, trained on ${dataset} ${way}${adversary ? ", and on adversarial examples" : ""}.`;
}

function labelsText({ labels }) {
  if (labels.length <= MOST_LABELS) return `${labels.length}: ${labels.join(", ")}`;
  const first = `${count(labels.length)}, the first of them ${labels.slice(0, 5).join(", ")}`;
  return make("div", {}, first, folded("All classes", () => make("p", {}, labels.join(", "))));
}

/** Return how a picture becomes an input. */
function preparation({ preprocessing, picture }) {
  if (preprocessing) return `, from ${preprocessing}`;
  if (!picture) return "";
  const steps = Object.entries(picture).filter(([, value]) => value !== null);
  return `, from a picture: ${steps.map(([name, value]) => `${name} ${[value].flat().join(" × ")}`).join(", ")}`;
}

function inputText(input) {
  const { name, dtype, shape, range } = input;
  const numbers = range ? `${range[0]} to ${range[1]}` : "any finite number";
  return `${name}: ${shapeText(shape)}, ${dtype}, ${numbers}${preparation(input)}`;
}

function engineText(summary, { engine_times: times }) {
  const parts = [];
  if (summary) parts.push(`${summary.engine}, ${summary.precision}`);
  if (summary?.engine_refused) parts.push(`another is set, but: ${summary.engine_refused}`);
  for (const [processor, each] of Object.entries(times ?? {})) {
    const said = Object.entries(each).map(([name, time]) => `${name} ${digits(time)}`);
    parts.push(`time of a vote on ${processor}, over that of the reference: ${said.join(", ")}`);
  }
  return parts.join("; ");
}

function trainedTerms({ training }) {
  const { recipe } = training;
  const { hardening = {}, schedule = {}, adversary } = recipe;
  const how = [
    hardening.kind && `${hardening.kind} noise, sigma ${sigmaText(hardening.sigma_train ?? 0)}`,
    hardening.loss && `loss ${hardening.loss}`,
    hardening.device && `chips of ${hardening.device}`,
    adversary && `adversarial examples of epsilon ${adversary.epsilon}`,
    schedule.epochs && `${schedule.epochs} epochs`,
    recipe.warm_start && `begun from ${recipe.warm_start}`,
    recipe.teacher && `taught by ${recipe.teacher}`,
  ].filter(Boolean);
  const official = training.data_is_official ? "official contents" : "other contents than the official ones";
  const accelerators = training.accelerators.join(", ");
  return [
    ["Data", `${recipe.dataset ?? "not named"}, ${official}`],
    ["Licence of the data", training.data_licence],
    ["Trained", how.join(", ")],
    ["By", code(training.command)],
    ["With", `torch ${training.torch_version}, on ${accelerators}`],
    ["Recipe", folded("All of it", () => make("pre", { tabindex: "0", role: "group", "aria-label": "Recipe" }, JSON.stringify(recipe, null, 1)))],
  ];
}

function importedTerms({ imported }) {
  const { batch_norm_sigma: sigma } = imported;
  return [
    ["Imported from", imported.source],
    ["By", code(imported.command)],
    ["Written by", imported.producer],
    ["Opset", `${imported.opset}`],
    ["Largest difference", `${digits(imported.largest_difference)} of an output from the original's, on ${count(imported.compared)} inputs`],
    ["Inputs are repeated", { border: "at the first noise", input: "at the inputs", single: "not at all: each vote is a pass of its own" }[imported.placement]],
    ["Batch norms", sigma === null ? null : `estimated anew under noise of sigma ${sigma}`],
    ["Licence", "the card names none"],
  ];
}

function whatSection(card, summary) {
  const { noise, imported, inputs } = card;
  const byDefault = noise.sigma ?? noise.sigma_train;
  const several = inputs.map((one) => make("li", {}, inputText(one)));
  const parts = [
    terms([
      ["Architecture", card.network],
      ...(imported ? importedTerms(card) : trainedTerms(card)),
      ["Noise of its votes", `${noise.kind}, sigma ${sigmaText(byDefault)} unless a request names another`],
      ["Also takes", Object.keys(card.graphs).filter((kind) => kind !== noise.kind).map((kind) => `${kind} noise`).join(", ")],
      ["Input", several.length === 1 ? inputText(inputs[0]) : make("ul", { class: "plain" }, ...several)],
      ["Classes", labelsText(card)],
      ["Engine", engineText(summary, card)],
      ["Answers by default", summary?.is_default ? "yes: requests that name no checkpoint" : null],
    ]),
  ];
  if (imported?.quiet.length) {
    const rows = imported.quiet.map((one) => [one.name, one.operator, count(one.macs), one.reason]);
    parts.push(table("Layers that get no noise", ["Layer", { name: "Operator", isText: true }, "MACs", { name: "Why", isText: true }], rows));
  }
  return section("What it is", ...parts);
}

function pointsSection({ noise_points: points }) {
  const macs = points.reduce((sum, point) => sum + point.macs, 0);
  const rows = points.map((point) => [
    point.name,
    point.operator ?? "–",
    shapeText(point.shape),
    count(point.macs),
    `${point.latency}`,
    point.rms === null ? "–" : digits(point.rms),
  ]);
  const heads = ["Point", { name: "Operator", isText: true }, "Shape of its noise", "MACs a vote", "Latency", "RMS of the signal"];
  const caption = `${count(points.length)} noise points, ${count(macs)} multiply-accumulates a vote`;
  const show = () => table(caption, heads, rows);
  return section("Noise points", points.length <= MOST_ROWS ? show() : folded(caption, show));
}

function filesSection({ digests, training, imported, noise_scheme: scheme }) {
  const rows = (found) => Object.entries(found).map(([name, digest]) => [name, code(digest)]);
  const heads = ["Name", { name: "SHA-256", isText: true }];
  const origin = imported
    ? { [imported.source]: imported.digest }
    : { ...training.data_digests, ...training.sources };
  return section(
    "Files and digests",
    terms([["Noise scheme", scheme]]),
    folded("Digests of its files", () => table("Files of the checkpoint", heads, rows(digests))),
    Object.keys(origin).length &&
      folded("Digests of what it was made of", () => table("What it was made of", heads, rows(origin))),
  );
}

/**
 * Return the parts of the page of a card.
 * @param {object} card as the service serves it
 * @param {object | null} summary of it in the list
 */
export function showCard(card, summary) {
  return [
    make("h2", { class: "name" }, card.name),
    make("p", { class: "lead" }, lead(card)),
    whatSection(card, summary),
    accuracySection(card),
    devicesSection(card),
    votesSection(card),
    studySection(card.name),
    callingSection(card),
    pointsSection(card),
    filesSection(card),
  ];
}
