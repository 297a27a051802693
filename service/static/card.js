/** The card of a network: what it is, what was measured of it, how it is called. */

import { callingSection } from "./calling.js";
import { code, folded, make, section, table, terms, words } from "./elements.js";
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
  const { dataset = "its data", adversary } = training.recipe;
  const hardening = training.recipe.hardening ?? {};
  let way = "without noise";
  if (hardening.device) way = `on chips of the device ${hardening.device}`;
  else if (sigmaOfTraining(card) > 0) {
    way = `under ${noise.kind} noise of sigma ${sigmaText(noise.sigma_train)}`;
  }
  const more = adversary ? ", and on adversarial examples" : "";
  return `${card.network}, trained on ${dataset} ${way}${more}.`;
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
  const text = (value) => (typeof value === "number" ? digits(value) : value);
  const steps = Object.entries(picture)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${[value].flat().map(text).join(" × ")}`);
  return `, from a picture: ${steps.join(", ")}`;
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
  const { adversary } = recipe;
  const hardening = recipe.hardening ?? {};
  const how = [
    hardening.kind && `${hardening.kind} noise, sigma ${sigmaText(hardening.sigma_train ?? 0)}`,
    hardening.loss && `loss ${hardening.loss}`,
    hardening.device && `chips of ${hardening.device}`,
    adversary && `adversarial examples of epsilon ${adversary.epsilon}`,
    recipe.schedule?.epochs && `${recipe.schedule.epochs} epochs`,
    recipe.warm_start && `begun from ${recipe.warm_start}`,
    recipe.teacher && `taught by ${recipe.teacher}`,
  ].filter(Boolean);
  const official = training.data_is_official
    ? "official contents"
    : "other contents than the official ones";
  const shown = { tabindex: "0", role: "group", "aria-label": "Recipe" };
  const accelerators = training.accelerators.join(", ");
  return [
    ["Data", `${recipe.dataset ?? "not named"}, ${official}`],
    ["Licence of the data", training.data_licence],
    ["Trained", how.join(", ")],
    ["By", code(training.command)],
    ["With", `torch ${training.torch_version}, on ${accelerators}`],
    ["Recipe", folded("All of it", () => make("pre", shown, JSON.stringify(recipe, null, 1)))],
  ];
}

const PLACEMENTS = {
  border: "at the first noise",
  input: "at the inputs",
  single: "not at all: each vote is a pass of its own",
};

function importedTerms({ imported }) {
  const { batch_norm_sigma: sigma, compared, largest_difference: largest } = imported;
  const inputs = compared === 1 ? "one input" : `${count(compared)} inputs`;
  const differences = `outputs differ by at most ${digits(largest)} on ${inputs}`;
  return [
    ["Imported from", imported.source],
    ["By", code(imported.command)],
    ["Written by", imported.producer],
    ["Opset", `${imported.opset}`],
    ["Beside the original", differences],
    ["Inputs are repeated", PLACEMENTS[imported.placement]],
    ["Batch norms", sigma === null ? null : `estimated anew under noise of sigma ${sigma}`],
    ["Licence", "the card names none"],
  ];
}

function whatSection(card, summary) {
  const { noise, imported, inputs } = card;
  const sigma = sigmaText(noise.sigma ?? noise.sigma_train);
  const others = Object.keys(card.graphs).filter((kind) => kind !== noise.kind);
  const several = inputs.map((one) => make("li", {}, inputText(one)));
  const parts = [
    terms([
      ["Architecture", card.network],
      ...(imported ? importedTerms(card) : trainedTerms(card)),
      ["Noise of its votes", `${noise.kind}, sigma ${sigma} unless a request names another`],
      ["Also takes", others.map((kind) => `${kind} noise`).join(", ")],
      ["Input", inputs.length === 1 ? inputText(inputs[0]) : make("ul", { class: "plain" }, ...several)],
      ["Classes", labelsText(card)],
      ["Engine", engineText(summary, card)],
      ["Answers by default", summary?.is_default ? "yes: requests that name no checkpoint" : null],
    ]),
  ];
  if (imported?.quiet.length) {
    const rows = imported.quiet.map((one) => [one.name, one.operator, count(one.macs), one.reason]);
    const heads = ["Layer", words("Operator"), "MACs", words("Why")];
    parts.push(table("Layers that get no noise", heads, rows));
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
  const heads = ["Point", words("Operator"), "Shape of its noise", "MACs a vote", "Latency", "Signal, RMS"];
  const caption = `${count(points.length)} noise points, ${count(macs)} multiply-accumulates a vote`;
  const show = () => table(caption, heads, rows);
  return section("Noise points", points.length <= MOST_ROWS ? show() : folded(caption, show));
}

function filesSection({ digests, training, imported, noise_scheme: scheme }) {
  const rows = (found) => Object.entries(found).map(([name, digest]) => [name, code(digest)]);
  const heads = ["Name", words("SHA-256")];
  const listed = (summary, caption, found) =>
    folded(summary, () => table(caption, heads, rows(found)));
  const origin = imported
    ? { [imported.source]: imported.digest }
    : { ...training.data_digests, ...training.sources };
  return section(
    "Files and digests",
    terms([["Noise scheme", scheme]]),
    listed("Digests of its files", "Files of the checkpoint", digests),
    Object.keys(origin).length > 0 &&
      listed("Digests of what it was made of", "What it was made of", origin),
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
    studySection(card),
    callingSection(card),
    pointsSection(card),
    filesSection(card),
  ];
}
