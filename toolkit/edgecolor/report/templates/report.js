"use strict";
// Show two pictures one over the other. Without this script, the sheets below show the same pictures.
{
  const byId = id => document.getElementById(id);
  const [photo, left, right, maps, split] = ["photo", "left", "right", "maps", "split"].map(byId);
  const source = which => {
    const sheet = document.querySelector(`.sheet[data-photo="${photo.value}"]`);
    return (maps.checked && sheet.querySelector(`[data-map="${which.value}"]`))
      || sheet.querySelector(`[data-of="${which.value}"]`);
  };
  const show = () => {
    for (const [image, which] of [[byId("over"), left], [byId("under"), right]]) {
      const from = source(which);
      image.src = from.src;
      image.alt = from.alt;
    }
    byId("stage").style.setProperty("--at", `${split.value}%`);
  };
  for (const control of [photo, left, right, maps, split]) control.addEventListener("input", show);
  byId("viewer").hidden = false;
  show();
}
