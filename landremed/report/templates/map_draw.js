// Drawing: tiles of polygons on canvas.

const TILE = 256;

// Pixels of a canvas per pixel of the page; paper wants more than the screen.
const density = () => {
  const ratio = window.devicePixelRatio || 1;
  return document.body.classList.contains("printing") ? Math.max(ratio, 2.5) : ratio;
};

// Adds a feature to a path; points closer than half a pixel to the last one are left out.
const trace = (path, shapes, f, scale, left, top) => {
  const b = f * 4;
  const wide = (shapes.box[b + 2] - shapes.box[b]) * scale;
  const high = (shapes.box[b + 3] - shapes.box[b + 1]) * scale;
  if (wide < 2.5 && high < 2.5) {
    const x = ((shapes.box[b] + shapes.box[b + 2]) / 2) * scale - left;
    const y = ((shapes.box[b + 1] + shapes.box[b + 3]) / 2) * scale - top;
    path.rect(x - 1.5, y - 1.5, 3, 3);
    return;
  }
  for (let r = shapes.firstRing[f]; r < shapes.firstRing[f + 1]; r++) {
    const end = shapes.firstPoint[r + 1];
    let lastX = 0;
    let lastY = 0;
    for (let p = shapes.firstPoint[r]; p < end; p++) {
      const x = shapes.x[p] * scale - left;
      const y = shapes.y[p] * scale - top;
      if (p === shapes.firstPoint[r]) path.moveTo(x, y);
      else if (Math.abs(x - lastX) + Math.abs(y - lastY) < 0.5 && p < end - 1) continue;
      else path.lineTo(x, y);
      lastX = x;
      lastY = y;
    }
    path.closePath();
  }
};

const CanvasTiles = L.GridLayer.extend({
  createTile(coords) {
    const ratio = density();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = TILE * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    this.paint(context, coords);
    return canvas;
  },

  paint(context, coords) {
    const scale = TILE * 2 ** coords.z;
    const [left, top] = [coords.x * TILE, coords.y * TILE];
    const margin = 4 / scale;
    const { shapes } = this.options;
    const found = shapes.near(
      left / scale - margin, top / scale - margin, (left + TILE) / scale + margin, (top + TILE) / scale + margin,
    );
    this.options.draw(context, found, (path, f) => trace(path, shapes, f, scale, left, top), coords, found);
  },

  repaint() {
    for (const key of Object.keys(this._tiles)) {
      const { el, coords } = this._tiles[key];
      const context = el.getContext("2d");
      context.clearRect(0, 0, TILE, TILE);
      this.paint(context, coords);
    }
  },
});

// A hatch that joins at tile edges: its period divides the tile.
const hatch = (context, color, kind) => {
  const size = 8;
  const ratio = density();
  const tile = document.createElement("canvas");
  tile.width = tile.height = size * ratio;
  const pen = tile.getContext("2d");
  pen.scale(ratio, ratio);
  pen.strokeStyle = color;
  pen.lineWidth = 1.1;
  pen.beginPath();
  const lines = {
    b_diagonal: [[-2, 10, 10, -2], [-2, 2, 2, -2], [6, 10, 10, 6]],
    f_diagonal: [[-2, -2, 10, 10], [6, -2, 10, 2], [-2, 6, 2, 10]],
    horizontal: [[0, 4, 8, 4]],
    vertical: [[4, 0, 4, 8]],
    diagonal_x: [[-1, -1, 9, 9], [-1, 9, 9, -1]],
  };
  for (const [x0, y0, x1, y1] of lines[kind] || lines.diagonal_x) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat");
  if (pattern.setTransform) pattern.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
};

const layerTiles = (shapes, style) => new CanvasTiles({
  shapes,
  pane: "constraints",
  draw(context, found, add) {
    const path = new Path2D();
    for (const f of found) add(path, f);
    if (style.outlineOnly) {
      context.strokeStyle = style.color;
      context.lineWidth = 1.2;
      context.setLineDash([6, 3, 1, 3]);
      context.stroke(path);
      return;
    }
    context.globalAlpha = 0.09;
    context.fillStyle = style.color;
    context.fill(path);
    context.globalAlpha = 0.85;
    context.fillStyle = hatch(context, style.color, style.pattern);
    context.fill(path);
    context.globalAlpha = 1;
    context.strokeStyle = style.color;
    context.lineWidth = 1.3;
    context.stroke(path);
  },
});

// Parcels, one path per colour; those that need review keep a dashed outline whatever the colours mean.
const parcelTiles = (shapes, state) => new CanvasTiles({
  shapes,
  pane: "parcels",
  draw(context, found, add, coords) {
    const groups = new Map();
    for (const f of found) {
      if (!state.visible[f]) continue;
      const style = state.style(f);
      const key = `${style.fill} ${style.dash}`;
      if (!groups.has(key)) groups.set(key, { style, path: new Path2D() });
      add(groups.get(key).path, f);
    }
    const near = coords.z >= 13;
    for (const { style, path } of groups.values()) {
      context.globalAlpha = near ? 0.72 : 0.9;
      context.fillStyle = style.fill;
      context.fill(path);
      context.globalAlpha = 1;
      context.strokeStyle = style.line;
      context.lineWidth = near ? (style.dash ? 1.8 : 1.1) : 0.5;
      context.setLineDash(near && style.dash ? [5, 3] : []);
      context.stroke(path);
      context.setLineDash([]);
    }
  },
});

// Ids of parcels that are large enough on the screen, drawn over everything so that no tile cuts them.
const Labels = L.Layer.extend({
  initialize(shapes, state) {
    this.shapes = shapes;
    this.state = state;
  },
  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "ids leaflet-zoom-hide", map.getPane("ids"));
    map.on("moveend zoomend resize", this.redraw, this);
    this.redraw();
  },
  redraw() {
    const map = this._map;
    const size = map.getSize();
    const ratio = density();
    const { canvas } = this;
    canvas.width = size.x * ratio;
    canvas.height = size.y * ratio;
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
    L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    if (map.getZoom() < 14) return;
    const scale = TILE * 2 ** map.getZoom();
    const origin = map.getPixelBounds().min;
    const { shapes, state } = this;
    const found = shapes.near(
      origin.x / scale, origin.y / scale, (origin.x + size.x) / scale, (origin.y + size.y) / scale,
    );
    context.font = "12px system-ui, 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    let drawn = 0;
    for (const f of found) {
      if (!state.visible[f] || drawn > 400) continue;
      const b = f * 4;
      const wide = (shapes.box[b + 2] - shapes.box[b]) * scale;
      const text = state.ids[f].length > 40 ? `${state.ids[f].slice(0, 39)}…` : state.ids[f];
      if (context.measureText(text).width > wide * 1.25) continue;
      const x = ((shapes.box[b] + shapes.box[b + 2]) / 2) * scale - origin.x;
      const y = ((shapes.box[b + 1] + shapes.box[b + 3]) / 2) * scale - origin.y;
      context.strokeStyle = "rgba(255,255,255,.92)";
      context.lineWidth = 3;
      context.strokeText(text, x, y);
      context.fillStyle = "#15202b";
      context.fillText(text, x, y);
      drawn++;
    }
  },
});
