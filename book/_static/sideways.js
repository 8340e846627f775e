// Marks what scrolls sideways, so that the style can say so: a phone shows no scroll bar.
"use strict";
(() => {
  const boxes = document.querySelectorAll(
    "article .pst-scrollable-table-container, article .cell_output .text_html, article figure");
  const mark = () => boxes.forEach(box =>
    box.classList.toggle("sideways", box.scrollWidth > box.clientWidth + 1
      && ["auto", "scroll"].includes(getComputedStyle(box).overflowX)));
  const sizes = new ResizeObserver(mark);
  boxes.forEach(box => sizes.observe(box));
  window.addEventListener("load", mark);
})();
