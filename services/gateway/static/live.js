// Keeps #live up to date while something in it is unfinished: fetches this very page again and takes its #live over.
const FIRST_MS = 700;
const SLOWEST_MS = 5000;

// How to find an element again in a fresh copy of the page.
function placeOf(element) {
  if (element.localName === "summary") return `#${CSS.escape(element.parentElement.id)} > summary`;
  const name = ["href", "formaction"].find((one) => element.hasAttribute(one));
  return name && `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [document.getElementById("live"), page.getElementById("live")];
  if (fresh && old.innerHTML !== fresh.innerHTML) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const place = active && placeOf(active);
    const unfolded = [...old.querySelectorAll("details[open]")].map((one) => one.id);
    old.replaceWith(document.adoptNode(fresh));
    for (const one of fresh.querySelectorAll("details")) one.open ||= unfolded.includes(one.id);
    if (place) fresh.querySelector(place)?.focus({ preventScroll: true });
    document.title = page.title;
  }
}

async function keep(pause) {
  await new Promise((wake) => setTimeout(wake, pause));
  if (!document.getElementById("live")?.hasAttribute("data-live")) return;
  if (!document.hidden) await refresh().catch(() => {}); // the next try may do better
  keep(Math.min(pause * 1.15, SLOWEST_MS));
}

keep(FIRST_MS);
