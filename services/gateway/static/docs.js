// Draws the OpenAPI document in the place of the table of operations, which stays where this does not run.
const place = document.getElementById("api");

const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", colour);
colour();

// Swagger UI fills an example into each field to be tried out. What may be left out is better empty: nobody wants every
// filter at once, or the key of an example. So such examples go into the description.
function empty(parameter) {
  if (parameter.required || !parameter.examples) return;
  const shown = Object.values(parameter.examples).map((one) => `\`${one.value}\``);
  delete parameter.examples;
  parameter.description = `${parameter.description ?? ""} For example: ${shown.join(", ")}`;
}

// All problems look alike. Their codes say more than a dozen equal examples, and each has a page.
function shorten(response) {
  if (!response.content?.["application/problem+json"]) return;
  delete response.content;
  delete response.headers;
  response.description = response.description.replace(/^- `(\w+)`/gm, "- [`$1`](/docs/problems/$1)");
}

// Swagger UI puts a link into each button that unfolds an operation, lets mice alone scroll, and names no choice: those
// who use keys or a screen reader get stuck there.
function open() {
  for (const link of place.querySelectorAll(".opblock-summary-control a[href]")) link.removeAttribute("href");
  for (const one of place.querySelectorAll(".microlight:not([tabindex])")) one.tabIndex = 0;
  for (const one of place.querySelectorAll("select:not([aria-label])")) one.setAttribute("aria-label", "One of these");
}
new MutationObserver(open).observe(place, { childList: true, subtree: true });

const answer = await fetch(place.dataset.document, { headers: { Accept: "application/json" } });
if (!answer.ok) throw new Error(`the OpenAPI document: HTTP ${answer.status}`);
const { jsonSchemaDialect, ...spec } = await answer.json();
const { title, version, description } = spec.info;
spec.info = { title, version, description }; // of the rest, links to sites elsewhere would be made
const operations = Object.values(spec.paths).flatMap(Object.values);
[...Object.values(spec.components.parameters ?? {}), ...operations.flatMap((one) => one.parameters ?? [])].forEach(empty);
[...Object.values(spec.components.responses ?? {}), ...operations.flatMap((one) => Object.values(one.responses))].forEach(shorten);

SwaggerUIBundle({
  spec,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  syntaxHighlight: { activated: true, theme: "tomorrow-night" },
  validatorUrl: null, // would send the document to a site elsewhere
});
