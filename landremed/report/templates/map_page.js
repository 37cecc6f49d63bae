// The page: state, filters, figures, search, language.

const toMu = (m2) => (m2 * 3) / 2000;

class App {
  constructor(data, shapes, layers) {
    this.data = data;
    this.shapes = shapes;
    this.layerShapes = layers;
    this.ids = data.ids;
    this.count = data.ids.length;
    this.visible = new Uint8Array(this.count).fill(1);
    this.selected = -1;
    this.colorBy = "outcome";
    this.rulesOpen = true;
    this.language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
    this.facets = this.buildFacets();
    this.layersOn = new Set();
    this.buildMap();
    this.card = new Card(this);
    this.frame();
    this.refresh();
  }

  get words() { return this.data.words[this.language]; }
  get labels() { return this.data.labels[this.language]; }
  get footer() { return this.data.meta.footer[this.language]; }
  get columnTitles() { return this.labels.columns; }
  get comma() { return this.language === "zh" ? "、" : ", "; }

  text(name, f) {
    const column = this.data.texts[name];
    return column ? column.v[column.i[f]] : null;
  }

  number(name, f) {
    const column = this.data.numbers[name];
    const value = column ? column[f] : null;
    return value === undefined ? null : value;
  }

  list(name, f) { return (this.text(name, f) || "").split(",").filter(Boolean); }

  label(kind, code) {
    if (!code) return "";
    const found = this.labels[kind] && Object.hasOwn(this.labels[kind], code) ? this.labels[kind][code] : "";
    return found || code;
  }

  outcomeLabel(f) {
    const outcome = this.text("outcome", f);
    const both = `${outcome}|${this.text("measure", f) || ""}`;
    return this.labels.outcome[both] || this.label("outcome", outcome);
  }

  // Facets: for every parcel the place of its value in a list of values.
  buildFacets() {
    const facet = (name, values, of, color) => {
      const place = new Map(values.map((value, k) => [value, k]));
      const index = new Int32Array(this.count);
      for (let f = 0; f < this.count; f++) {
        const value = of(f);
        if (!place.has(value)) {
          place.set(value, values.length);
          values.push(value);
        }
        index[f] = place.get(value);
      }
      return { name, values, index, on: new Set(values.keys()), color };
    };
    const { colors } = this.data;
    const plain = (fill) => ({ fill, line: "#3c3c3c", dash: false });
    const sizes = new Map();
    for (let f = 0; f < this.count; f++) {
      const unit = this.text("implementing_unit", f) || "";
      sizes.set(unit, (sizes.get(unit) || 0) + 1);
    }
    const units = [...sizes.keys()].filter(Boolean).sort((a, b) => sizes.get(b) - sizes.get(a) || (a < b ? -1 : 1));
    const present = (order, of) => {
      const met = new Set();
      for (let f = 0; f < this.count; f++) met.add(of(f));
      return order.filter((value) => met.has(value));
    };
    const outcome = (f) => this.text("outcome", f);
    const category = (f) => this.text("category", f) || "";
    const bucket = (f) => this.data.bucket[f];
    return {
      outcome: facet("outcome", present(Object.keys(colors.outcome), outcome), outcome,
        (value) => colors.outcome[value] || plain("#999999")),
      class: facet("class", present(Object.keys(colors.class), category), category,
        (value) => plain(colors.class[value] || "#d9d9d9")),
      deadline: facet("deadline", present(Object.keys(colors.deadline), bucket), bucket,
        (value) => plain(colors.deadline[value])),
      unit: facet("unit", units, (f) => this.text("implementing_unit", f) || "",
        (value, k) => plain(value ? colors.unit[Math.min(k, colors.unit.length - 1)] : "#e3e3e3")),
    };
  }

  facetLabel(name, value) {
    if (name === "outcome") return this.label("outcome", value);
    if (name === "class") return value ? this.label("category", value) : this.words.no_class;
    if (name === "deadline") return value === "none" ? this.words.nodate : this.words[value];
    return value || this.words.no_unit;
  }

  style(f) {
    const facet = this.facets[this.colorBy];
    const color = facet.color(facet.values[facet.index[f]], facet.index[f]);
    const review = this.facets.outcome.values[this.facets.outcome.index[f]] === "needs_review";
    return review ? { fill: color.fill, line: "#111111", dash: true } : color;
  }

  buildMap() {
    const map = L.map("map", {
      zoomControl: false, attributionControl: false, maxZoom: 21, minZoom: 4, zoomSnap: 0.5, zoomDelta: 0.5,
      wheelPxPerZoomLevel: 90, fadeAnimation: false,
    });
    this.map = map;
    [["constraints", 350], ["parcels", 360], ["ids", 450]].forEach(([name, height]) => {
      map.createPane(name).style.zIndex = height;
      if (name !== "parcels") map.getPane(name).style.pointerEvents = "none";
    });
    L.control.zoom({ position: "topright", zoomInTitle: "+", zoomOutTitle: "−" }).addTo(map);
    L.control.scale({ imperial: false, maxWidth: 140, position: "bottomright" }).addTo(map);
    this.home(false);
    this.parcels = parcelTiles(this.shapes, this).addTo(map);
    this.idLayer = new Labels(this.shapes, this).addTo(map);
    this.tiles = {};
    for (const [name, shapes] of Object.entries(this.layerShapes)) {
      const color = this.data.colors.layer[name] || { color: "#5b4a72", pattern: "" };
      this.tiles[name] = layerTiles(shapes, { ...color, outlineOnly: name === "admin_units" });
    }
    map.on("click", (event) => this.select(this.hit(event.latlng)));
    map.on("mousemove", (event) => {
      if (this.waiting) return;
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        document.getElementById("map").style.cursor = this.hit(event.latlng) >= 0 ? "pointer" : "";
      });
    });
    window.addEventListener("beforeprint", () => this.toPaper(true));
    window.addEventListener("afterprint", () => this.toPaper(false));
  }

  // Lays the map out as the sheet will be, and back, with the same ground in view.
  toPaper(on) {
    if (document.body.classList.contains("printing") === on) return;
    const { map } = this;
    if (on) this.before = [map.getCenter(), map.getZoom(), map.getBounds()];
    document.body.classList.toggle("printing", on);
    map.options.zoomSnap = on ? 0 : 0.5;
    map.invalidateSize({ pan: false, animate: false });
    if (on) map.fitBounds(this.before[2], { animate: false });
    else map.setView(this.before[0], this.before[1], { animate: false });
    [this.parcels, ...[...this.layersOn].map((name) => this.tiles[name])].forEach((tiles) => tiles.redraw());
    this.idLayer.redraw();
  }

  // Canvases made now reach paper only after they were on the screen.
  print() {
    this.toPaper(true);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.print();
      this.toPaper(false);
    }));
  }

  home(animate = true) {
    const [x0, y0, x1, y1] = this.shapes.bounds;
    this.map.fitBounds([[worldLat(y1), worldLon(x0)], [worldLat(y0), worldLon(x1)]], { padding: [24, 24], animate });
  }

  // The smallest visible parcel at a place; a few pixels beside it still counts.
  hit(latlng) {
    const x = worldX(latlng.lng);
    const y = worldY(latlng.lat);
    const reach = 4 / (TILE * 2 ** this.map.getZoom());
    const size = (f) => (this.shapes.box[f * 4 + 2] - this.shapes.box[f * 4]) * (this.shapes.box[f * 4 + 3] - this.shapes.box[f * 4 + 1]);
    const near = this.shapes.near(x - reach, y - reach, x + reach, y + reach).filter((f) => this.visible[f]);
    const inside = near.filter((f) => this.shapes.holds(f, x, y));
    const tiny = near.filter((f) => Math.sqrt(size(f)) < reach * 2);
    const found = inside.length ? inside : tiny;
    return found.length ? found.reduce((a, b) => (size(b) < size(a) ? b : a)) : -1;
  }

  select(f) {
    this.selected = f;
    if (this.halo) this.halo.remove();
    this.halo = null;
    if (f < 0) {
      this.card.hide();
      document.body.classList.remove("with-card");
      return;
    }
    document.body.classList.add("with-card");
    document.body.classList.remove("with-panel");
    document.getElementById("toggle").textContent = this.words.panel;
    if (this.shapes.has(f)) {
      const rings = this.shapes.latLngs(f);
      const line = (color, weight) => L.polygon(rings, { color, weight, fill: false, interactive: false });
      this.halo = L.layerGroup([line("#ffffff", 6), line("#10161d", 2.5)]).addTo(this.map);
    }
    this.card.show(f);
  }

  zoomTo(f) {
    const wide = window.innerWidth > 760;
    const right = document.body.classList.contains("with-card") && wide ? 420 : 40;
    const bottom = wide ? 40 : window.innerHeight * 0.55;
    this.map.fitBounds(this.shapes.latLngBounds(f).pad(0.6), {
      maxZoom: 18, paddingTopLeft: [40, 40], paddingBottomRight: [right, bottom], animate: false,
    });
  }

  find(wanted) {
    const plain = wanted.trim().toLowerCase();
    if (!plain) return -1;
    const exact = this.ids.findIndex((id) => id.toLowerCase() === plain);
    return exact >= 0 ? exact : this.ids.findIndex((id) => id.toLowerCase().includes(plain));
  }

  go(f) {
    if (f < 0) return;
    if (!this.visible[f]) this.resetFilters();
    this.select(f);
    if (this.shapes.has(f)) this.zoomTo(f);
  }

  resetFilters() {
    for (const facet of Object.values(this.facets)) facet.on = new Set(facet.values.keys());
    this.apply();
  }

  apply() {
    const facets = Object.values(this.facets);
    this.figures = Object.fromEntries(facets.map((facet) => [facet.name, facet.values.map(() => [0, 0])]));
    this.shown = [0, 0];
    const areas = this.data.numbers.area_m2 || [];
    for (let f = 0; f < this.count; f++) {
      let failed = null;
      let fails = 0;
      for (const facet of facets) {
        if (!facet.on.has(facet.index[f])) {
          fails++;
          failed = facet;
        }
      }
      this.visible[f] = fails ? 0 : 1;
      if (fails > 1) continue;
      // a facet's own figures count what the other facets let through
      for (const facet of facets) {
        if (fails && failed !== facet) continue;
        const cell = this.figures[facet.name][facet.index[f]];
        cell[0]++;
        cell[1] += areas[f] || 0;
      }
      if (!fails) {
        this.shown[0]++;
        this.shown[1] += areas[f] || 0;
      }
    }
    this.parcels.repaint();
    this.idLayer.redraw();
    if (this.selected >= 0 && !this.visible[this.selected]) this.select(-1);
    this.showFigures();
  }

  refresh() {
    this.frame();
    this.apply();
    if (this.selected >= 0) this.card.show(this.selected);
  }

  // Everything in the panel, in the language of the moment.
  frame() {
    const { words, data } = this;
    const { meta } = data;
    document.documentElement.lang = this.language === "zh" ? "zh-CN" : "en";
    const button = (name, text, action) => {
      const element = make("button", name, text);
      element.type = "button";
      element.onclick = action;
      return element;
    };
    const switcher = button("language", words.language, () => {
      this.language = this.language === "zh" ? "en" : "zh";
      this.refresh();
    });
    document.getElementById("head").replaceChildren(
      make("div", "top", meta.secrecy ? make("span", "secrecy", meta.secrecy) : make("span"), switcher),
      make("h1", "", meta.title), make("p", "sub", words.subtitle),
      make("p", "sub", meta.as_of ? this.footer.as_of.replace("{day}", meta.as_of) : ""),
    );
    document.getElementById("tools").replaceChildren(this.searchBox(), this.sums(), this.colorSwitch(button), make(
      "div", "actions", button("", words.home, () => this.home()), button("", words.reset, () => this.resetFilters()),
      button("print", words.print, () => this.print()),
    ));
    const open = new Map([...document.querySelectorAll("#filters details")].map((d) => [d.dataset.name, d.open]));
    const boxes = Object.values(this.facets).map((facet) => this.filterBox(facet, open));
    document.getElementById("filters").replaceChildren(...boxes, this.layerBox(open));
    document.getElementById("foot").replaceChildren(
      make("p", "", this.footer.advice),
      make("p", "", this.footer.basis.replace("{book}", meta.rules).replace("{hash}", meta.hash)),
      make("p", "", `${this.footer.software.replace("{version}", meta.version)} · ${meta.crs}`),
    );
    const toggle = document.getElementById("toggle");
    const name = () => { toggle.textContent = document.body.classList.contains("with-panel") ? words.close : words.panel; };
    toggle.onclick = () => {
      document.body.classList.toggle("with-panel");
      name();
    };
    name();
  }

  searchBox() {
    const input = make("input");
    input.type = "search";
    input.id = "search";
    input.placeholder = this.words.search;
    input.setAttribute("aria-label", this.words.search);
    input.autocomplete = "off";
    const list = make("div", "hits");
    const note = (text) => list.replaceChildren(make("p", "", text));
    const offer = () => {
      const plain = input.value.trim().toLowerCase();
      const found = [];
      for (let f = 0; plain && f < this.count && found.length < 8; f++) {
        if (this.ids[f].toLowerCase().includes(plain)) found.push(f);
      }
      list.replaceChildren(...found.map((f) => {
        const hit = make("button", "", make("b", "", this.ids[f]), make("span", "", this.outcomeLabel(f)));
        hit.type = "button";
        hit.onclick = () => { list.replaceChildren(); this.go(f); };
        return hit;
      }));
      if (plain && !found.length) note(this.words.not_found);
    };
    input.oninput = offer;
    input.onkeydown = (event) => {
      if (event.key === "Escape") list.replaceChildren();
      if (event.key !== "Enter") return;
      const f = this.find(input.value);
      list.replaceChildren();
      if (f < 0) note(this.words.not_found);
      else this.go(f);
    };
    return make("div", "search", input, list);
  }

  sums() {
    this.sumBox = make("div", "sums");
    return this.sumBox;
  }

  colorSwitch(button) {
    const names = ["outcome", "class", "deadline", "unit"];
    const box = make("div", "switch", make("span", "", this.words.color_by), ...names.map((name) => {
      const element = button(name === this.colorBy ? "on" : "", this.words[`by_${name}`], () => {
        this.colorBy = name;
        this.refresh();
      });
      element.dataset.name = name;
      return element;
    }));
    return box;
  }

  swatch(color) {
    const mark = make("i", color.dash ? "dash" : "");
    mark.style.background = color.fill;
    mark.style.borderColor = color.line;
    return mark;
  }

  filterBox(facet, open) {
    const box = make("details", "filter");
    box.dataset.name = facet.name;
    box.open = open.has(facet.name) ? open.get(facet.name) : facet.name !== "unit" || facet.values.length < 12;
    const link = (text, on) => {
      const element = make("button", "link", text);
      element.type = "button";
      element.onclick = (event) => {
        event.preventDefault();
        facet.on = new Set(on ? facet.values.keys() : []);
        this.apply();
      };
      return element;
    };
    box.append(make("summary", "", make("b", "", this.words[`f_${facet.name}`]),
      make("span", "links", link(this.words.all, true), link(this.words.no_one, false))));
    facet.rows = facet.values.map((value, k) => {
      const check = make("input");
      check.type = "checkbox";
      check.onchange = () => {
        if (check.checked) facet.on.add(k);
        else facet.on.delete(k);
        this.apply();
      };
      const mark = facet.name === this.colorBy ? this.swatch(facet.color(value, k)) : null;
      const [count, area, bar] = [make("span", "n"), make("span", "mu"), make("i", "bar")];
      const row = make("label", "value", check, mark, make("span", "name", this.facetLabel(facet.name, value)), count, area, bar);
      row.dataset.value = value;
      row.parts = { check, count, area, bar };
      return row;
    });
    box.append(...facet.rows);
    return box;
  }

  layerBox(open) {
    const names = Object.keys(this.tiles);
    if (!names.length) return "";
    const box = make("details", "filter layers");
    box.dataset.name = "layers";
    box.open = open.has("layers") ? open.get("layers") : true;
    const note = this.data.meta.whole_layers ? this.words.layers_near : this.words.layers_pieces;
    box.append(make("summary", "", make("b", "", this.words.layers)), make("p", "fine", note));
    for (const name of names) {
      const check = make("input");
      check.type = "checkbox";
      check.checked = this.layersOn.has(name);
      check.onchange = () => {
        if (check.checked) {
          this.layersOn.add(name);
          this.tiles[name].addTo(this.map);
        } else {
          this.layersOn.delete(name);
          this.tiles[name].remove();
        }
        this.showLegend();
      };
      const row = make("label", "value", check, this.layerMark(name), make("span", "name", this.label("layer", name)));
      row.dataset.value = name;
      box.append(row);
    }
    return box;
  }

  layerMark(name) {
    const color = this.data.colors.layer[name] || { color: "#5b4a72", pattern: "" };
    const canvas = make("canvas", "mark");
    const ratio = density();
    canvas.width = 22 * ratio;
    canvas.height = 14 * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    if (name !== "admin_units") {
      pen.fillStyle = hatch(pen, color.color, color.pattern);
      pen.fillRect(0, 0, 22, 14);
    }
    pen.strokeStyle = color.color;
    pen.lineWidth = 2;
    if (name === "admin_units") pen.setLineDash([5, 2, 1, 2]);
    pen.strokeRect(0, 0, 22, 14);
    return canvas;
  }

  showFigures() {
    const { words } = this;
    const text = words.shown.replace("{n}", grouped(this.shown[0], 0)).replace("{all}", grouped(this.count, 0));
    const bar = make("div", "stack");
    const { outcome } = this.facets;
    outcome.values.forEach((value, k) => {
      if (!outcome.on.has(k) || !this.figures.outcome[k][0]) return;
      const piece = make("i");
      piece.style.flexGrow = String(this.figures.outcome[k][0]);
      piece.style.background = outcome.color(value).fill;
      piece.title = `${this.facetLabel("outcome", value)} ${this.figures.outcome[k][0]}`;
      bar.append(piece);
    });
    this.sumBox.replaceChildren(
      make("b", "", text), make("span", "", words.area.replace("{mu}", grouped(toMu(this.shown[1]), 2))), bar,
    );
    for (const facet of Object.values(this.facets)) {
      const figures = this.figures[facet.name];
      const most = Math.max(1, ...figures.map(([n]) => n));
      facet.rows.forEach((row, k) => {
        const [n, m2] = figures[k];
        row.parts.check.checked = facet.on.has(k);
        row.parts.count.textContent = grouped(n, 0);
        row.parts.area.textContent = `${grouped(toMu(m2), 1)} ${words.mu_unit}`;
        row.parts.bar.style.width = `${(100 * n) / most}%`;
        row.classList.toggle("none", n === 0);
      });
    }
    this.showLegend();
  }

  showLegend() {
    const facet = this.facets[this.colorBy];
    const rows = facet.values.map((value, k) => (facet.on.has(k) && this.figures[facet.name][k][0]
      ? make("li", "", this.swatch(facet.color(value, k)), this.facetLabel(facet.name, value)) : null));
    const layers = [...this.layersOn].map((name) => make("li", "", this.layerMark(name), this.label("layer", name)));
    document.getElementById("legend").replaceChildren(make("ul", "", ...rows, ...layers));
    const { meta } = this.data;
    const sums = this.words.shown.replace("{n}", grouped(this.shown[0], 0)).replace("{all}", grouped(this.count, 0));
    document.getElementById("print-head").replaceChildren(
      make("h1", "", `${meta.title} · ${this.words.subtitle}`),
      make("p", "", [meta.secrecy, sums, this.words.area.replace("{mu}", grouped(toMu(this.shown[1]), 2)),
        meta.as_of ? this.footer.as_of.replace("{day}", meta.as_of) : "", this.footer.advice].filter(Boolean).join("　")),
    );
  }
}

const open = async () => {
  const veil = document.getElementById("veil");
  const zh = document.documentElement.lang.startsWith("zh");
  veil.textContent = veil.dataset[zh ? "zh" : "en"];
  if (typeof DecompressionStream === "undefined") {
    veil.textContent = veil.dataset.old;
    return;
  }
  const [data, shapes] = await Promise.all([inflateText("data"), inflate("shapes")]);
  const layers = {};
  for (const element of [...document.querySelectorAll("script.layer")]) {
    layers[element.dataset.name] = new Shapes(await inflate(element));
  }
  const app = new App(data, new Shapes(shapes), layers);
  window.landremed = app;
  veil.remove();
  const wanted = decodeURIComponent(window.location.hash.slice(1));
  if (wanted) app.go(app.find(wanted));
};

open();
