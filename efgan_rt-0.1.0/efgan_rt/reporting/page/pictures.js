// The data of the page, and how one picture is drawn: its comparison and its action units.
// All text goes into the page as text, never as markup.
"use strict";

/** What holds for the whole run: targets, units, the folder of pictures or null, a limit. */
const facts = JSON.parse(document.getElementById("facts").textContent);
/** One an edit, or one a picture of which nothing could be made (then `t` is -1):
 *  n name, f which face of how many (only if several), u its file, t target, s outcome, b before, p edit, m attention (numbers of pictures),
 *  a action units in hundredths ([source, target, measured]), o the edit's file, r reason. */
const rows = JSON.parse(document.getElementById("rows").textContent);
/** The pictures as base64, where they are inside the page. */
const bytes = JSON.parse(document.getElementById("bytes").textContent);
const bySource = 0, byTarget = 1, byMeasured = 2;
const UNITS_SHOWN_ON_A_CARD = 3;
const MOST = 500; // hundredths of an intensity

/** An element with properties and children; strings become text. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The address of a picture by its number. */
function address(number) {
  if (facts.folder === null) return `data:image/jpeg;base64,${bytes[number]}`;
  const drawer = String(Math.floor(number / 1000)).padStart(3, "0");
  return `${facts.folder}/${drawer}/${String(number).padStart(6, "0")}.jpg`;
}

function nameOfPicture(row) {
  return row.f ? `${row.n}, face ${row.f[0]} of ${row.f[1]}` : row.n;
}

function nameOfTarget(row) {
  return row.t < 0 ? "every edit" : facts.targets[row.t];
}

/** An image that says so in its place when its file is not there. */
function image(source, alt, className) {
  const made = element("img", {
    className, alt, loading: "lazy", decoding: "async", draggable: false,
    width: facts.crop_px, height: facts.crop_px,
  });
  made.addEventListener("error", () => {
    const box = made.closest(".compare");
    made.remove();
    if (box && !box.querySelector(".empty")) {
      box.append(element("p", { className: "empty" }, facts.lost));
    }
  });
  made.src = source;
  return made;
}

function setCut(box, value) {
  box.style.setProperty("--cut", value);
  box.dataset.cut = value;
  const slider = box.querySelector("input");
  if (!slider) return;
  slider.value = value;
  slider.setAttribute("aria-valuetext", `${value}% as given, ${100 - value}% edited`);
}

/** A picture as given and edited.
 *  how: "split", "before", "after", "attention" or "difference";
 *  files: {before, after} instead of the small pictures. */
function comparison(row, how, files = null) {
  const box = element("div", { className: "compare" });
  const said = `${nameOfPicture(row)}, ${nameOfTarget(row)}`;
  const before = files ? files.before : row.b === undefined ? null : address(row.b);
  const after = files ? files.after : row.p === undefined ? null : address(row.p);
  if (before === null && after === null && row.r) {
    box.append(element("p", { className: "reason", tabIndex: 0 }, row.r));
    return box;
  }
  if (before === null && after === null) {
    box.append(element("p", { className: "empty" }, "No picture"));
    return box;
  }
  if (after === null || (how === "attention" && row.m === undefined)) {
    const only = after === null ? before : after;
    box.append(image(only, after === null ? `${nameOfPicture(row)} as given` : `${said}, edited`, "after"));
    const why = after === null ? "as given" : "no attention map";
    box.append(element("span", { className: "tag left" }, why));
    return box;
  }
  const edited = image(after, `${said}, edited`, "after");
  if (how === "attention") {
    const map = image(address(row.m), `${said}: light where it was edited most`, "map");
    box.append(edited, map);
    return box;
  }
  if (before === null) {
    box.append(edited);
    return box;
  }
  const given = image(before, `${nameOfPicture(row)} as given`, "before");
  if (how === "difference") {
    box.classList.add("difference");
    box.append(element("div", { className: "stack" }, edited, given));
    return box;
  }
  const slider = element("input", { type: "range", min: 0, max: 100, step: 1 });
  slider.setAttribute("aria-label", `Before and after: ${said}`);
  slider.addEventListener("input", () => setCut(box, Number(slider.value)));
  box.append(edited, given, element("span", { className: "line", "aria-hidden": "true" }), slider);
  setCut(box, { before: 100, after: 0 }[how] ?? 50);
  return box;
}

/** Three bars, one above the other: source, target, measured; for the eye only. */
function bars(units, index) {
  const box = element("div", { className: "bars", "aria-hidden": "true" });
  for (const [number, name] of ["source", "target", "measured"].entries()) {
    const space = "http://www.w3.org/2000/svg";
    const plot = document.createElementNS(space, "svg");
    plot.setAttribute("viewBox", `0 0 ${MOST} 1`);
    plot.setAttribute("preserveAspectRatio", "none");
    const bar = document.createElementNS(space, "rect");
    bar.setAttribute("width", units[number][index]);
    bar.setAttribute("height", 1);
    bar.setAttribute("class", name);
    plot.append(bar);
    box.append(element("i", {}, plot));
  }
  return box;
}

function intensity(hundredths) {
  return (hundredths / 100).toFixed(1);
}

/** The units that were asked to move most, as a short list. */
function unitsInShort(row) {
  const asked = facts.units.map((_, index) => Math.abs(row.a[byTarget][index] - row.a[bySource][index]));
  const most = [...asked.keys()].sort((a, b) => asked[b] - asked[a]).slice(0, UNITS_SHOWN_ON_A_CARD);
  const list = element("dl", { className: "mini" });
  for (const index of most) {
    const [source, target, measured] = row.a.map((each) => intensity(each[index]));
    const { name, about } = facts.units[index];
    const value = element("dd", { className: "value" },
      element("span", { "aria-hidden": "true" }, measured),
      element("span", { className: "unseen" },
        `${about}: ${source} as given, ${target} asked, ${measured} measured`));
    list.append(element("div", { title: `${name} ${about}: ${source}, asked ${target}, measured ${measured}` },
      element("dt", {}, name), element("dd", {}, bars(row.a, index)), value));
  }
  return list;
}

/** All units as a table. */
function unitsInFull(row) {
  const heads = ["given", "asked", "measured"].map((text, number) => {
    const kind = ["key", "key k-target", "key k-measured"][number];
    return element("th", { scope: "col" }, element("span", { className: kind }, element("span", {}, text)));
  });
  const table = element("table", { className: "units" },
    element("caption", { className: "unseen" }, "Action units, 0 to 5"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "action unit"),
      element("td", {}), ...heads)));
  const body = table.appendChild(element("tbody"));
  for (const [index, unit] of facts.units.entries()) {
    const moved = Math.abs(row.a[byTarget][index] - row.a[bySource][index]) >= 50;
    body.append(element("tr", { className: moved ? "moved" : "" },
      element("th", { scope: "row" }, unit.name, element("small", {}, unit.about)),
      element("td", {}, bars(row.a, index)),
      ...row.a.map((each) => element("td", {}, intensity(each[index])))));
  }
  return table;
}

/** How far an edit is from what was asked: mean distance of the measured units, in hundredths. */
function miss(row) {
  if (!row.a) return -1;
  const apart = row.a[byTarget].map((asked, index) => Math.abs(asked - row.a[byMeasured][index]));
  return apart.reduce((sum, each) => sum + each, 0) / apart.length;
}
