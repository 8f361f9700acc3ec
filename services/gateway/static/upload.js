// On the page of batches: takes a file that is dropped anywhere, and shows how what is chosen or pasted would be read.
const LOOKED_AT_BYTES = 64 * 1024;
const PAUSE_MS = 400;

const form = document.getElementById("upload");
const { file, addresses } = form.elements;
const [place, told, hint, forget] = ["preview", "told", "drop-hint", "forget"].map((id) => document.getElementById(id));
let timer;
let asking = new AbortController();

function show(fresh, text) {
  place.removeAttribute("aria-busy");
  place.replaceChildren(...(fresh ? [document.adoptNode(fresh)] : []));
  if (told.textContent !== text) told.textContent = text; // what is said again need not be read out again
  hint.hidden = text !== "";
  forget.hidden = file.files.length === 0;
}

// The form with no more than the beginning of what is to be uploaded.
async function beginning(whole, chosen) {
  const fields = new FormData(form);
  const part = whole.slice(0, LOOKED_AT_BYTES);
  if (chosen) {
    fields.set("file", new File([await part.arrayBuffer()], chosen.name, { type: chosen.type }));
    fields.set("addresses", addresses.value.trim().slice(0, 1));
  } else {
    fields.set("addresses", await part.text());
  }
  if (whole.size > part.size) fields.set("size", whole.size);
  return fields;
}

async function look() {
  asking.abort();
  const { signal } = (asking = new AbortController());
  const [chosen] = file.files;
  if (!chosen && !addresses.value.trim()) return show(null, "");
  place.setAttribute("aria-busy", "true");
  let body;
  try {
    body = await beginning(chosen ?? new Blob([addresses.value]), chosen);
  } catch {
    return signal.aborted || show(null, "That can’t be read: a folder, or a file that is gone or has changed. Choose it again.");
  }
  try {
    if (signal.aborted) return;
    const answer = await fetch("/batches/preview", { method: "POST", body, signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(".preview");
    show(fresh, fresh?.dataset.told ?? "There is no preview now. The upload tells what is wrong, if anything is.");
  } catch {
    if (!signal.aborted) show(null, "There is no preview: wordwatch does not answer. Try again in a moment.");
  }
}

function later(pause) {
  clearTimeout(timer);
  timer = setTimeout(look, pause);
}

form.addEventListener("input", () => later(PAUSE_MS));
file.addEventListener("change", () => later(0));
form.addEventListener("submit", () => {
  clearTimeout(timer);
  asking.abort();
});
forget.addEventListener("click", () => {
  file.value = "";
  file.focus();
  look();
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // or else the browser opens what is dropped, and leaves the page
    event.dataTransfer.dropEffect = "copy";
    form.toggleAttribute("data-dropping", true);
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.removeAttribute("data-dropping"); // out of the window
});
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  form.removeAttribute("data-dropping");
  const { files } = event.dataTransfer;
  if (files.length !== 1) return show(null, "One file at a time, please: a .zip archive can hold several.");
  file.files = files;
  form.scrollIntoView({ block: "nearest" });
  later(0);
});

addEventListener("pageshow", look); // the browser may have kept what was chosen or written
