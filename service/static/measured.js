/** What was measured of a network: accuracies, charts of them, margins, agreement, drift. */

import { lineChart, MOST_LINES } from "./charts.js";
import { code, hint, make, section, table, words } from "./elements.js";
import { count, digits, duration, interval, percent, sigmaText } from "./formats.js";
import { sigmaOfTraining } from "./networks.js";

const STATES = {
  too_few: "too few answers yet",
  as_expected: "as the card says",
  lower: "less than the card says",
  higher: "more than the card says",
};

const isPlain = ({ sigma, repeats }) => typeof sigma === "number" && !Object.keys(repeats).length;
const unique = (values) => [...new Set(values)];
const ascending = (a, b) => a - b;

/** Return the noise of an accuracy in words, as its row is called. */
function noiseOf({ sigma, repeats }) {
  const reads = Object.entries(repeats).map(([point, number]) => `${point} ${number}`);
  return reads.length ? `${sigmaText(sigma)}; reads ${reads.join(", ")}` : sigmaText(sigma);
}

/** Compare two noises: single numbers first, weak before strong. */
function byStrength(one, other) {
  if (isPlain(one) !== isPlain(other)) return isPlain(one) ? -1 : 1;
  return isPlain(one) ? one.sigma - other.sigma : 0;
}

/** Return so many of some values, the first and the last among them, evenly chosen. */
function some(values, most) {
  if (values.length <= most) return values;
  const step = (values.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, at) => values[Math.round(at * step)]);
}

/** Return the split of a measurement in words. */
export function splitText(split) {
  const names = { test: "test images", validation: "validation images", exact_test: "test images" };
  return names[split] ?? split;
}

/**
 * Return the accuracies under the noise of requests that name none: with one vote, and with most.
 * Nothing if the card has none.
 */
export function bestKnown(card) {
  const wanted = card.noise.sigma ?? card.noise.sigma_train;
  const isWanted = ({ kind, sigma, repeats }) =>
    kind === card.noise.kind &&
    JSON.stringify(sigma) === JSON.stringify(wanted) &&
    !Object.keys(repeats).length;
  const of = [...card.evaluations].sort((a, b) => rank(b.split) - rank(a.split));
  const found = of.map(({ accuracies }) => accuracies.filter(isWanted)).find((some) => some.length);
  if (!found) return null;
  const most = found.reduce((best, one) => (one.votes > best.votes ? one : best));
  return { one: found.find(({ votes }) => votes === 1), most };
}

const rank = (split) => Number(split.endsWith("test"));

/** Return a chart with a line for each of one number, over another. */
function chartOf(accuracies, { title, x, by, over, named, isLog }) {
  const lines = unique(accuracies.map(by)).sort(ascending);
  const series = some(lines, MOST_LINES - 1).map((number) => ({
    name: named(number),
    points: accuracies
      .filter((one) => by(one) === number)
      .map((one) => ({ x: over(one), y: one.accuracy, interval: one.interval })),
  }));
  const left = lines.length - series.length;
  const more = left ? `; ${left} more in the table` : "";
  return lineChart({ title: title + more, x, isLog, series });
}

/** Return the charts of accuracies under one kind of noise, those that say something. */
function chartsOf(accuracies) {
  const plain = accuracies.filter(isPlain);
  const sigmas = unique(plain.map(({ sigma }) => sigma));
  const votes = unique(plain.map((one) => one.votes));
  const sigmaIs = (number) => `sigma ${number}`;
  const votesAre = (number) => (number === 1 ? "1 vote" : `${number} votes`);
  const charts = [];
  if (sigmas.length > 1) {
    charts.push(chartOf(plain, {
      title: "Accuracy over noise",
      x: "sigma",
      by: (one) => one.votes,
      over: ({ sigma }) => sigma,
      named: votesAre,
    }));
  }
  const noisy = plain.filter(({ sigma }) => sigma > 0);
  if (votes.length > 1 && noisy.length) {
    charts.push(chartOf(noisy, {
      title: "Accuracy over votes",
      x: "votes, N",
      by: ({ sigma }) => sigma,
      over: (one) => one.votes,
      named: sigmaIs,
      isLog: true,
    }));
  }
  return charts.length ? [make("div", { class: "charts" }, ...charts)] : [];
}

/** Return the table of accuracies under one kind of noise: rows of sigmas, columns of votes. */
function accuracyTable(evaluation, kind, accuracies) {
  const votes = unique(accuracies.map((one) => one.votes)).sort(ascending);
  const noises = unique([...accuracies].sort(byStrength).map(noiseOf));
  const images = unique(accuracies.map((one) => one.images)).map(count).join(" or ");
  const rows = noises.map((noise) => {
    const cells = votes.map((number) => {
      const one = accuracies.find((some) => some.votes === number && noiseOf(some) === noise);
      if (!one) return "–";
      return make("span", {}, percent(one.accuracy), make("small", {}, interval(one.interval)));
    });
    return [noise, ...cells];
  });
  const caption = make(
    "span",
    {},
    `Accuracy on ${images} ${splitText(evaluation.split)}, ${kind} noise, with 95 % intervals, by `,
    code(evaluation.command),
  );
  return table(caption, ["Sigma", ...votes.map((number) => `N ${number}`)], rows);
}

/** Return the measured accuracies. */
export function accuracySection({ evaluations, imported, name }) {
  const parts = [];
  for (const evaluation of evaluations) {
    for (const kind of unique(evaluation.accuracies.map((one) => one.kind))) {
      const of = evaluation.accuracies.filter((one) => one.kind === kind);
      if (evaluations.length > 1) parts.push(make("h4", {}, `On ${splitText(evaluation.split)}`));
      parts.push(...chartsOf(of), accuracyTable(evaluation, kind, of));
    }
  }
  if (!parts.length) {
    const samples = imported ? " --samples FILE" : "";
    const command = code(`noisevote-train evaluate ${name} --card${samples}`);
    parts.push(hint("The card has no measured accuracy. ", command, " measures it."));
  }
  return section("Accuracy", ...parts);
}

const ageText = (age) => (age === null ? "–" : duration(age));

/** Return the accuracies on chips of devices; nothing if there are none. */
export function devicesSection({ on_devices: evaluations, devices }) {
  if (!evaluations.length) {
    const says = devices
      ? "Ready for analog devices; the card has no accuracy on one."
      : "Not ready for analog devices.";
    return section("On devices", hint(says));
  }
  return section("On devices", ...evaluations.flatMap(ofDevice));
}

function ofDevice(evaluation) {
  const { accuracies, split, command } = evaluation;
  const { device } = accuracies[0];
  const rows = accuracies.map((one) => [
    ageText(one.age_s),
    one.temperature_c === null ? "–" : `${one.temperature_c} °C`,
    count(one.votes),
    `${one.correct.length}`,
    make("span", {}, percent(one.mean), one.interval && make("small", {}, interval(one.interval))),
    percent(one.worst),
    percent(one.best),
  ]);
  const images = unique(accuracies.map((one) => one.images)).map(count).join(" or ");
  const caption = make("span", {},
    `Accuracy on chips of ${device}, on ${images} ${splitText(split)}, with 95 % intervals, by `,
    code(command));
  const heads = ["Age", "Temperature", "Votes", "Chips", "Mean", "Worst", "Best"];
  return [...deviceChart(device, accuracies), table(caption, heads, rows)];
}

/** Return a chart over the ages of a device, at the fewest votes; nothing if there is one age. */
function deviceChart(device, accuracies) {
  const fewest = Math.min(...accuracies.map(({ votes }) => votes));
  const of = accuracies.filter(({ votes, age_s: age }) => votes === fewest && age !== null);
  const ages = unique(of.map(({ age_s: age }) => age)).sort(ascending);
  if (ages.length < 2 || of.length > ages.length) return [];
  const points = (y) => of.map((one) => ({ x: ages.indexOf(one.age_s), y: one[y] }));
  const mean = of.map((one) => ({
    x: ages.indexOf(one.age_s), y: one.mean, interval: one.interval ?? undefined,
  }));
  const chart = lineChart({
    title: `Accuracy on chips of ${device}, ${fewest === 1 ? "1 vote" : `${fewest} votes`}`,
    x: "age",
    names: new Map(ages.map((age, at) => [at, duration(age)])),
    series: [
      { name: "mean", points: mean },
      { name: "worst chip", points: points("worst") },
      { name: "best chip", points: points("best") },
    ],
  });
  return [make("div", { class: "charts" }, chart)];
}

/** Return what is known of votes: drift of late, what the card expects, margins. */
export function votesSection({ drift, agreements, thresholds, ...card }) {
  const parts = [];
  if (drift.length) parts.push(driftTable(drift));
  if (agreements.length) {
    parts.push(agreementTable(agreements));
  } else {
    const samples = card.imported ? " --samples FILE" : "";
    const command = code(`noisevote-train agreement ${card.name}${samples}`);
    const says = "The card has no reference of how much votes agree, so that drift is not watched. ";
    parts.push(hint(says, command, " measures one."));
  }
  if (thresholds.length) parts.push(thresholdTable(thresholds));
  if (drift.some((one) => one.is_noisier_than_hardened_for)) {
    parts.unshift(make("p", { class: "bad" },
      `Votes look noisier than the network was hardened for, sigma ${sigmaOfTraining(card)}.`));
  }
  return section("How votes agree", ...parts);
}

const NOISE = ["Noise", "Sigma", "Votes"];
const noise = ({ noise, kind, sigma, votes }) => [noise ?? kind, `${sigma}`, count(votes)];

function driftTable(drift) {
  const rows = drift.map((one) => [
    ...noise(one),
    count(one.answers),
    STATES[one.state] ?? one.state,
    one.answers ? percent(one.agreement.seen, 1) : "–",
    percent(one.agreement.expected, 1),
    one.answers ? percent(one.margin.seen, 1) : "–",
    percent(one.margin.expected, 1),
    one.effective_sigma === null
      ? "–"
      : make("span", {}, digits(one.effective_sigma),
          make("small", {}, one.effective_sigma_interval.map((end) => digits(end)).join(" to "))),
  ]);
  const heads = [
    ...NOISE, "Answers", words("Votes agree"),
    "Agreement, seen", "expected", "Lead, seen", "expected", "Looks like sigma",
  ];
  return table("Drift: answers of late, of the process that was asked", heads, rows);
}

function agreementTable(agreements) {
  const rows = agreements.map((one) => [
    ...noise(one),
    count(one.inputs),
    `${percent(one.agreement_mean, 1)} ± ${percent(one.agreement_sd, 1)}`,
    `${percent(one.margin_mean, 1)} ± ${percent(one.margin_sd, 1)}`,
  ]);
  const caption = make("span", {}, "Agreement references: mean and deviation over inputs, by ",
    code(unique(agreements.map(({ command }) => command)).join("; ")));
  return table(caption, [...NOISE, "Inputs", "Share of the mode", "Lead over the second"], rows);
}

function thresholdTable(thresholds) {
  const rows = thresholds.map((one) => [
    ...noise(one),
    `${one.delta}`,
    `${one.margin}`,
    digits(one.mean_votes),
    `${count(one.changed)} of ${count(one.inputs)}`,
    percent(one.confidence, 0),
  ]);
  const caption = make("span", {}, "Margins at which the stop rule calibrated ends, by ",
    code(unique(thresholds.map(({ command }) => command)).join("; ")));
  const heads = [...NOISE, "Delta", "Margin", "Votes, mean", "Modes changed", "Confidence"];
  return table(caption, heads, rows);
}
