// The list of pictures: filters, order and pages. Only one page of cards is in the document, so
// that ten thousand pictures cost no more than fifty.
"use strict";

const PAGE_SIZE = 48;
const ALL = "all";
const SAID_AFTER_MS = 350; // so that a screen reader is not told of every key
const VIEWS = [["split", "Split"], ["before", "Before"], ["after", "After"], ["attention", "Attention"]];
const OUTCOMES = ["done", "made again", "already done", "copied without a face",
  "skipped without a face", "failed"];

const cards = document.getElementById("cards");
const search = document.getElementById("search");
const order = document.getElementById("order");
const wanted = { expression: ALL, outcome: ALL, view: "split", page: 0 };
let shown = [];
let saying = 0;

const collator = new Intl.Collator("en", { numeric: true });
const faceOf = (row) => row.f ? row.f[0] : 0;
rows.sort((a, b) => collator.compare(a.n, b.n) || faceOf(a) - faceOf(b) || a.t - b.t);
for (const row of rows) {
  row.find = row.n.toLowerCase();
  row.miss = miss(row);
}

/** A picture of which nothing could be made is missing from every expression. */
function hasExpression(row, wish) {
  return wish === ALL || row.t < 0 || String(row.t) === wish;
}

function hasOutcome(row, wish) {
  return wish === ALL || row.s === wish;
}

/** A group of radio buttons that look like chips. Gives the places for their counts. */
function chips(fieldset, group, choices, chosen, onChoice) {
  const counts = new Map();
  const box = fieldset.appendChild(element("div", { className: "chips" }));
  for (const [value, text] of choices) {
    const input = element("input", { type: "radio", name: group, value, checked: value === chosen });
    input.addEventListener("change", () => onChoice(value));
    const count = element("small");
    counts.set(value, count);
    box.append(element("label", { className: "chip" }, input, element("span", {}, text, count)));
  }
  return counts;
}

function choose(name, value) {
  wanted[name] = value;
  wanted.page = 0;
  update();
}

const present = OUTCOMES.filter((outcome) => rows.some((row) => row.s === outcome));
const expressionCounts = chips(
  document.getElementById("by-expression"), "expression",
  [[ALL, "All"], ...facts.targets.map((name, number) => [String(number), name])], ALL,
  (value) => choose("expression", value));
const outcomeCounts = chips(
  document.getElementById("by-outcome"), "outcome",
  [[ALL, "All"], ...present.map((each) => [each, each])], ALL, (value) => choose("outcome", value));
chips(document.getElementById("by-view"), "view", VIEWS, "split", (value) => {
  wanted.view = value;
  drawCards();
});
document.getElementById("by-expression").hidden = facts.targets.length < 2;
order.closest(".field").hidden = !rows.some((row) => row.a);

search.addEventListener("input", () => choose("page", 0));
order.addEventListener("change", () => choose("page", 0));
document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
document.getElementById("reset").addEventListener("click", () => {
  showAll();
  search.focus();
});
for (const button of document.querySelectorAll("[data-outcome]")) {
  button.addEventListener("click", () => {
    showAll({ outcome: button.dataset.outcome });
    goToTitle();
  });
}

/** Lets go of every filter but those given. */
function showAll({ outcome = ALL } = {}) {
  search.value = "";
  Object.assign(wanted, { expression: ALL, outcome, page: 0 });
  for (const [group, value] of [["expression", ALL], ["outcome", outcome]]) {
    for (const each of document.getElementsByName(group)) each.checked = each.value === value;
  }
  update();
}

/** Counts beside the chips: what each would show with the other filters as they are. */
function count(named) {
  for (const [value, place] of expressionCounts) {
    const fits = named.filter((row) => hasExpression(row, value) && hasOutcome(row, wanted.outcome));
    place.textContent = fits.length.toLocaleString("en");
  }
  for (const [value, place] of outcomeCounts) {
    const fits = named.filter((row) => hasOutcome(row, value) && hasExpression(row, wanted.expression));
    place.textContent = fits.length.toLocaleString("en");
  }
}

/** Finds what is wanted, and shows its page. */
function update() {
  const text = search.value.trim().toLowerCase();
  const named = text ? rows.filter((row) => row.find.includes(text)) : rows;
  shown = named.filter(
    (row) => hasExpression(row, wanted.expression) && hasOutcome(row, wanted.outcome));
  if (order.value === "miss") shown.sort((a, b) => b.miss - a.miss);
  count(named);
  drawCards();
}

function drawCards() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE_SIZE));
  wanted.page = Math.min(Math.max(wanted.page, 0), pages - 1);
  const start = wanted.page * PAGE_SIZE;
  const rest = shown.slice(start, start + PAGE_SIZE);
  cards.replaceChildren(...rest.map((row, number) => card(row, start + number)));
  document.getElementById("nothing").hidden = shown.length > 0;
  const total = shown.length.toLocaleString("en");
  const from = (start + 1).toLocaleString("en");
  const to = (start + rest.length).toLocaleString("en");
  const kind = shown.length === 1 ? "edit" : "edits";
  say(rest.length ? `${from} to ${to} of ${total} ${kind}` : "No picture matches");
  for (const bar of document.querySelectorAll(".pages")) drawPages(bar, pages);
}

function say(text) {
  document.getElementById("count").textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => {
    document.getElementById("said").textContent = text;
  }, SAID_AFTER_MS);
}

function card(row, place) {
  const text = element("div", { className: "text" });
  const open = element("button", { type: "button", className: "name", title: row.n }, row.n);
  open.setAttribute("aria-label", `${nameOfPicture(row)}, ${nameOfTarget(row)}: details`);
  open.addEventListener("click", () => openDetail(place));
  const marks = element("div", { className: "marks" });
  if (row.f) marks.append(element("span", { className: "mark" }, `face ${row.f[0]} of ${row.f[1]}`));
  if (facts.targets.length > 1) marks.append(element("span", { className: "mark" }, nameOfTarget(row)));
  if (row.s !== "done") {
    marks.append(element("span", { className: row.s === "failed" ? "mark failed" : "mark" }, row.s));
  }
  text.append(element("h3", {}, open), marks);
  // Without any picture the reason stands in its place.
  if (row.r && row.b !== undefined) text.append(element("p", { className: "reason" }, row.r));
  if (row.a) text.append(unitsInShort(row));
  return element("li", { className: "card" }, comparison(row, wanted.view), text);
}

/** Previous, a number to type, next. The buttons stay where they are, so that focus does. */
function drawPages(bar, pages) {
  bar.hidden = pages < 2;
  if (!bar.firstChild) {
    const step = (text, by) => {
      const button = element("button", { type: "button" }, text);
      button.addEventListener("click", () => goToPage(wanted.page + by));
      return button;
    };
    const number = element("input", { type: "number", min: 1 });
    number.addEventListener("change", () => goToPage(Number(number.value) - 1));
    bar.append(step("Previous page", -1),
      element("label", {}, "Page", number, element("span")), step("Next page", 1));
  }
  const [previous, next] = bar.querySelectorAll("button");
  const number = bar.querySelector("input");
  number.max = pages;
  number.value = wanted.page + 1;
  bar.querySelector("span").textContent = `of ${pages.toLocaleString("en")}`;
  previous.disabled = wanted.page === 0;
  next.disabled = wanted.page === pages - 1;
}

function goToPage(page) {
  wanted.page = Number.isFinite(page) ? Math.trunc(page) : 0;
  drawCards();
  goToTitle();
}

function goToTitle() {
  const title = document.getElementById("pictures-title");
  title.focus({ preventScroll: true });
  title.scrollIntoView();
}
