// Show the reference behind a citation, and the meaning of a word, on hover, focus and touch. Loaded
// with `defer`, so that it runs before the theme's script, which gives a tooltip to whatever
// carries this mark.
for (const target of ["references.html#", "glossary.html#term-"])
  document
    .querySelectorAll(`a.reference.internal[href*="${target}"][title]`)
    .forEach((link) => link.setAttribute("data-bs-toggle", "tooltip"));
