/** What accuracy a setting promises: the one that was measured at it, as card or study tells. */

import { onStudy } from "./studied.js";

/** Where measured accuracies come from: each finds those of a setting, at any number of votes. */
const SOURCES = [onCard, onCardOfDevices, onStudy];

const isNear = (one, other) => Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(other));

/** Return the value of each noise point, whether one number is given for all of them or a map. */
function byPoint(card, given, standard) {
  const of = (name) => (typeof given === "number" ? given : (given?.[name] ?? standard));
  return card.noise_points.map(({ name }) => of(name));
}

function isSameAt(card, one, other, standard) {
  const others = byPoint(card, other, standard);
  return byPoint(card, one, standard).every((value, index) => isNear(value, others[index]));
}

/** Return the accuracies under noise of a sigma. */
function onCard(card, setting) {
  if (setting.device) return [];
  return card.evaluations.flatMap(({ split, accuracies }) =>
    accuracies
      .filter(
        ({ kind, sigma, repeats }) =>
          kind === setting.noise &&
          isSameAt(card, sigma, setting.sigma, 0) &&
          isSameAt(card, repeats, setting.repeats, 1),
      )
      .map((found) => ({ ...found, split, chips: null })),
  );
}

/** Return the accuracies on chips of a device, all votes of an answer on one of them. */
function onCardOfDevices(card, setting) {
  if (!setting.device || setting.repeats || setting.chips > 1) return [];
  return card.on_devices.flatMap(({ split, accuracies }) =>
    accuracies
      .filter(
        (found) =>
          found.device === setting.device &&
          found.digest === setting.digest &&
          (found.age_s ?? null) === (setting.age_s ?? null) &&
          (found.temperature_c ?? null) === (setting.temperature_c ?? null),
      )
      .map((found) => ({ ...found, accuracy: found.mean, split, chips: found.correct.length })),
  );
}

/**
 * Return the accuracy measured at a setting with the most votes that are not more than its own.
 * @param {object} card
 * @param {object} setting fields of a request, and `digest` of its device
 * @param {() => void} arrived called when further figures have come in
 * @returns {{accuracy: number, interval: number[] | null, votes: number, images: number,
 *   split: string, chips: number | null} | null} nothing if none was measured
 */
export function promiseOf(card, setting, arrived) {
  const found = SOURCES.flatMap((source) => source(card, setting, arrived))
    .filter(({ votes }) => votes <= setting.votes)
    .sort(
      (one, other) =>
        other.votes - one.votes ||
        (one.split === "validation") - (other.split === "validation") ||
        other.images - one.images,
    );
  return found[0] ?? null;
}

const percent = (share) => (100 * share).toFixed(2);

/** Return a promise in words, or that there is none. */
export function inWords(promise) {
  if (!promise) return "No accuracy was measured at this setting.";
  const { accuracy, interval, votes, images, split, chips } = promise;
  const between = interval ? ` [${interval.map(percent).join(", ")}]` : "";
  const where = chips ? `, mean of ${chips} chip${chips > 1 ? "s" : ""}` : "";
  const number = images.toLocaleString("en");
  return `Measured accuracy ${percent(accuracy)} %${between} with ${votes} vote${
    votes > 1 ? "s" : ""
  }${where} (n ${number}, ${split.replaceAll("_", " ")}).`;
}
