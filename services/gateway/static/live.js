// Keeps #live up to date. It says by data-events what it follows; whenever that changes, this very page is fetched
// again and its #live taken over, so that all that is shown is made by the server.
const LEAST_MS = 500; // between two fetches
const AGAIN_MS = 5000; // after the stream could not be opened

// How to find an element again in a fresh copy of the page.
function placeOf(element) {
  if (element.localName === "summary") return `#${CSS.escape(element.parentElement.id)} > summary`;
  const name = ["id", "href", "formaction", "value"].find((one) => element.hasAttribute(one));
  return name && `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
}

// What a person has begun with: unfolded, ticked, written.
function keep(old, fresh) {
  for (const one of old.querySelectorAll("details[open]")) {
    const other = one.id && fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (other) other.open = true;
  }
  for (const one of old.querySelectorAll("input[type=checkbox]:checked")) {
    const other = fresh.querySelector(`input[type=checkbox][value="${CSS.escape(one.value)}"]`);
    if (other) other.checked = true;
  }
  for (const one of old.querySelectorAll("input[type=text]")) {
    const other = one.value !== one.defaultValue && one.id && fresh.querySelector(`#${CSS.escape(one.id)}`);
    if (other) other.value = one.value;
  }
}

function takeOver(page) {
  const [old, fresh] = [document.getElementById("live"), page.getElementById("live")];
  if (!old || !fresh || old.outerHTML === fresh.outerHTML) return;
  const active = old.contains(document.activeElement) ? document.activeElement : null;
  const place = active && placeOf(active);
  const at = active?.selectionStart;
  keep(old, fresh);
  old.replaceWith(document.adoptNode(fresh));
  const found = place && fresh.querySelector(place);
  found?.focus({ preventScroll: true });
  if (found?.type === "text" && at !== undefined) found.setSelectionRange(at, at);
  document.title = page.title;
}

async function fetched(place) {
  const answer = await fetch(place, { headers: { Accept: "text/html" } });
  return [answer, new DOMParser().parseFromString(await answer.text(), "text/html")];
}

let stream = null;
let wanted = false;
let busy = false;

async function refresh() {
  wanted = true;
  if (busy || document.hidden) return;
  busy = true;
  while (wanted && !document.hidden) {
    wanted = false;
    const [answer, page] = await fetched(location.href).catch(() => [null]);
    if (answer?.ok) takeOver(page); // else the next event may do better
    await new Promise((wake) => setTimeout(wake, LEAST_MS));
  }
  busy = false;
  follow();
}

function onNews(event) {
  const news = JSON.parse(event.data);
  const all = document.getElementById("live")?.dataset.events === "stats";
  if (all || event.type === "snapshot" || news.checks.length || news.batches.length) refresh();
}

// Opens or closes the stream, as the page wants it now. A page that nobody sees follows nothing: browsers have few
// connections to a server.
function follow() {
  const place = document.getElementById("live")?.dataset.events;
  const url = place === undefined || document.hidden ? null : `/api/v1/events${place.startsWith("?") ? place : ""}`;
  if (stream && (stream.place !== url || stream.source.readyState === EventSource.CLOSED)) {
    stream.source.close();
    stream = null;
  }
  if (!url || stream) return;
  const source = new EventSource(url);
  stream = { place: url, source };
  for (const kind of ["snapshot", "update"]) source.addEventListener(kind, onNews);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(refresh, AGAIN_MS); // refused: it does not try again itself
  });
}

document.addEventListener("visibilitychange", () => (document.hidden ? follow() : refresh()));
document.addEventListener("wordwatch:page", (event) => takeOver(event.detail)); // somebody has fetched one
addEventListener("pagehide", () => stream?.source.close());
follow();
