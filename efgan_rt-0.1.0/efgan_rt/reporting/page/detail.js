// One edit, large: the comparison, every action unit, and the files at their full size.
"use strict";

const dialog = document.getElementById("detail");
const DETAIL_VIEWS = [["split", "Slider"], ["difference", "Difference × 4"], ["attention", "Attention"]];
const HINTS = {
  split: "Drag, or use the arrow keys: as given on the left, edited on the right.",
  difference: "What changed, four times as bright; black did not.",
  attention: "Light where the network edited, dark where it left the picture alone.",
};
const detail = { place: 0, view: "split", full: false };

chips(document.getElementById("detail-view"), "detail-view", DETAIL_VIEWS, "split", (value) => {
  detail.view = value;
  drawPicture();
});
const full = element("button", { type: "button" }, "Full size");
full.setAttribute("aria-pressed", "false");
full.addEventListener("click", () => {
  detail.full = !detail.full;
  drawPicture();
});
document.querySelector("#detail-view .chips").append(full);
document.getElementById("detail-close").addEventListener("click", () => dialog.close());
document.getElementById("detail-previous").addEventListener("click", () => openDetail(detail.place - 1));
document.getElementById("detail-next").addEventListener("click", () => openDetail(detail.place + 1));
dialog.addEventListener("keydown", (event) => {
  const by = { PageUp: -1, PageDown: 1 }[event.key];
  // On a slider these keys move it.
  if (!by || event.target.type === "range") return;
  event.preventDefault();
  openDetail(detail.place + by);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
// Back to the card that was looked at last, which may be on another page than the first one.
dialog.addEventListener("close", () => {
  const page = Math.floor(detail.place / PAGE_SIZE);
  if (page !== wanted.page) {
    wanted.page = page;
    drawCards();
  }
  cards.children[detail.place % PAGE_SIZE]?.querySelector(".name").focus();
});

/** Shows the edit at a place of the list as it is filtered now. */
function openDetail(place) {
  if (place < 0 || place >= shown.length) return;
  detail.place = place;
  const row = shown[place];
  const [previous, next] = ["previous", "next"].map((id) => document.getElementById(`detail-${id}`));
  previous.disabled = place === 0;
  next.disabled = place === shown.length - 1;
  document.getElementById("detail-title").textContent = `${nameOfPicture(row)}, ${nameOfTarget(row)}`;
  document.getElementById("detail-place").textContent =
    `${(place + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
  const outcome = document.getElementById("detail-outcome");
  outcome.replaceChildren(element("span", { className: row.s === "failed" ? "mark failed" : "mark" }, row.s));
  if (row.r && row.b !== undefined) outcome.append(element("span", { className: "reason" }, ` ${row.r}`));
  document.getElementById("detail-units").replaceChildren(row.a
    ? unitsInFull(row)
    : element("p", { className: "hint" }, row.s === "failed"
      ? "There is no edit to measure."
      : "Action units are read when an edit is made; this one was there already."));
  const links = document.getElementById("detail-links");
  links.replaceChildren();
  if (row.u) links.append(element("a", { href: row.u }, "Open the picture"));
  if (row.o) links.append(element("a", { href: row.o }, "Open the edit"));
  drawPicture();
  if (!dialog.open) dialog.showModal();
  if (previous.disabled || next.disabled) {
    if (document.activeElement?.disabled || document.activeElement === document.body) {
      document.getElementById("detail-title").focus();
    }
  }
}

function drawPicture() {
  const row = shown[detail.place];
  const hasFiles = row.u !== undefined && row.o !== undefined && row.p !== undefined;
  const isFull = detail.full && hasFiles && detail.view !== "attention";
  full.disabled = !hasFiles || detail.view === "attention";
  full.setAttribute("aria-pressed", String(detail.full));
  const files = isFull ? { before: row.u, after: row.o } : null;
  const made = comparison(row, detail.view, files);
  document.getElementById("detail-view").hidden = row.p === undefined;
  document.getElementById("detail-hint").hidden = row.p === undefined;
  if (detail.view === "split" && made.querySelector("input")) {
    made.append(element("span", { className: "tag left" }, "as given"),
      element("span", { className: "tag right" }, "edited"));
  }
  document.getElementById("detail-picture").replaceChildren(made);
  document.getElementById("detail-hint").textContent = isFull
    ? `${HINTS[detail.view]} From the files, where the browser can show them.`
    : HINTS[detail.view];
}

update();
