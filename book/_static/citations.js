// Show the reference behind a citation on hover, focus and touch. Loaded with `defer`, so that it
// runs before the theme's script, which gives a tooltip to whatever carries this mark.
document
  .querySelectorAll('a.reference.internal[href*="references.html#"][title]')
  .forEach((citation) => citation.setAttribute("data-bs-toggle", "tooltip"));
