// Gray over color in one place, with a divider; called again whenever the pictures change.
export default function ({ parentElement, data }) {
  const find = (id) => parentElement.querySelector(`#${id}`);
  const [stage, divider] = [find("stage"), find("split")];
  const place = () => stage.style.setProperty("--at", `${divider.value}%`);
  for (const name of ["gray", "color"]) {
    find(name).src = data[name];
    find(name).width = data.width;
    find(name).height = data.height;
  }
  divider.oninput = place;
  place();
}
