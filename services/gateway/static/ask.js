// Sends the form without leaving the page: the new check stands at the top of the list at once, and its count follows.
function say(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

async function send(form) {
  const body = new URLSearchParams(new FormData(form));
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(form.id);
  if (!fresh) return location.assign(answer.url); // a page that tells what is wrong
  document.dispatchEvent(new CustomEvent("wordwatch:page", { detail: page }));
  if (answer.ok) {
    history.replaceState(null, "", answer.url);
    form.querySelector("[role=alert]")?.remove();
    for (const one of form.querySelectorAll(".wrong")) one.remove();
    for (const one of form.querySelectorAll("[aria-invalid]")) one.removeAttribute("aria-invalid");
    form.elements.address.value = "";
    form.elements.address.focus();
    say("It is being counted; the result will stand first in the list.");
  } else {
    form.replaceWith(document.adoptNode(fresh));
    bind(fresh);
    (fresh.querySelector("[aria-invalid]") ?? fresh.querySelector("input")).focus();
  }
}

function bind(form) {
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    button.disabled = true;
    send(form)
      .catch(() => form.submit()) // as a browser does it by itself
      .finally(() => (button.disabled = false));
  });
}

bind(document.querySelector("form[data-in-place]"));
