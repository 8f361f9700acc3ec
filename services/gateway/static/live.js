// Keeps #live up to date while something in it is unfinished: fetches this very page again and takes its #live over.
const FIRST_MS = 700;
const SLOWEST_MS = 5000;

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [document.getElementById("live"), page.getElementById("live")];
  if (fresh && old.innerHTML !== fresh.innerHTML) {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    const name = ["href", "formaction"].find((one) => active?.hasAttribute(one));
    const unfolded = old.querySelector("details")?.open;
    old.replaceWith(document.adoptNode(fresh));
    if (unfolded) fresh.querySelector("details")?.setAttribute("open", "");
    if (name) fresh.querySelector(`[${name}="${CSS.escape(active.getAttribute(name))}"]`)?.focus({ preventScroll: true });
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
