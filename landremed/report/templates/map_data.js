// Unpacking: bytes to columns and coordinates.

const inflate = async (id) => {
  const element = typeof id === "string" ? document.getElementById(id) : id;
  const letters = atob(element.textContent.trim());
  element.remove();
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
};

const inflateText = async (id) => JSON.parse(new TextDecoder().decode(await inflate(id)));

// Web Mercator, the whole world from 0 to 1.
const worldX = (lon) => lon / 360 + 0.5;
const worldY = (lat) => {
  const sine = Math.sin((lat * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
};
const worldLon = (x) => (x - 0.5) * 360;
const worldLat = (y) => (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI;

class Shapes {
  // Rings of every feature in flat arrays, and a net of cells to find features by place.
  constructor(buffer) {
    const all = new Int32Array(buffer);
    const count = all[0];
    this.count = count;
    this.firstRing = new Int32Array(count + 1);
    for (let f = 0; f < count; f++) this.firstRing[f + 1] = this.firstRing[f] + all[1 + f];
    const rings = this.firstRing[count];
    this.firstPoint = new Int32Array(rings + 1);
    for (let r = 0; r < rings; r++) this.firstPoint[r + 1] = this.firstPoint[r] + all[1 + count + r];
    const points = this.firstPoint[rings];
    this.x = new Float64Array(points);
    this.y = new Float64Array(points);
    const lonAt = 1 + count + rings;
    let lon = 0;
    let lat = 0;
    for (let p = 0; p < points; p++) {
      lon += all[lonAt + p];
      lat += all[lonAt + points + p];
      this.x[p] = worldX(lon / 1e7);
      this.y[p] = worldY(lat / 1e7);
    }
    this.box = new Float64Array(count * 4);
    for (let f = 0; f < count; f++) this.measure(f);
    this.index();
  }

  measure(f) {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    const end = this.firstPoint[this.firstRing[f + 1]];
    for (let p = this.firstPoint[this.firstRing[f]]; p < end; p++) {
      if (this.x[p] < x0) x0 = this.x[p];
      if (this.x[p] > x1) x1 = this.x[p];
      if (this.y[p] < y0) y0 = this.y[p];
      if (this.y[p] > y1) y1 = this.y[p];
    }
    this.box.set([x0, y0, x1, y1], f * 4);
  }

  has(f) {
    return this.firstRing[f + 1] > this.firstRing[f];
  }

  index() {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let f = 0; f < this.count; f++) {
      if (!this.has(f)) continue;
      for (let k = 0; k < 2; k++) {
        box[k] = Math.min(box[k], this.box[f * 4 + k]);
        box[k + 2] = Math.max(box[k + 2], this.box[f * 4 + k + 2]);
      }
    }
    this.bounds = box[0] <= box[2] ? box : [0.4, 0.4, 0.6, 0.6];
    const side = Math.max(1, Math.min(512, Math.round(Math.sqrt(this.count / 4))));
    this.side = side;
    this.cellX = (this.bounds[2] - this.bounds[0]) / side || 1e-9;
    this.cellY = (this.bounds[3] - this.bounds[1]) / side || 1e-9;
    const sizes = new Int32Array(side * side + 1);
    this.eachCell((cell) => sizes[cell + 1]++);
    for (let c = 0; c < side * side; c++) sizes[c + 1] += sizes[c];
    this.cellFirst = sizes;
    this.cellItems = new Int32Array(sizes[side * side]);
    const next = sizes.slice();
    this.eachCell((cell, f) => {
      this.cellItems[next[cell]++] = f;
    });
    this.stamp = new Int32Array(this.count);
    this.round = 0;
  }

  cellRange(x0, y0, x1, y1) {
    const clamp = (v) => Math.max(0, Math.min(this.side - 1, Math.floor(v)));
    return [
      clamp((x0 - this.bounds[0]) / this.cellX), clamp((y0 - this.bounds[1]) / this.cellY),
      clamp((x1 - this.bounds[0]) / this.cellX), clamp((y1 - this.bounds[1]) / this.cellY),
    ];
  }

  eachCell(visit) {
    for (let f = 0; f < this.count; f++) {
      if (!this.has(f)) continue;
      const b = f * 4;
      const [c0, r0, c1, r1] = this.cellRange(this.box[b], this.box[b + 1], this.box[b + 2], this.box[b + 3]);
      for (let r = r0; r <= r1; r++) for (let c = c0; c <= c1; c++) visit(r * this.side + c, f);
    }
  }

  // Features whose box meets a box, in their order.
  near(x0, y0, x1, y1) {
    const found = [];
    if (x1 < this.bounds[0] || x0 > this.bounds[2] || y1 < this.bounds[1] || y0 > this.bounds[3]) return found;
    const [c0, r0, c1, r1] = this.cellRange(x0, y0, x1, y1);
    const round = ++this.round;
    for (let r = r0; r <= r1; r++) {
      for (let c = c0; c <= c1; c++) {
        const cell = r * this.side + c;
        for (let k = this.cellFirst[cell]; k < this.cellFirst[cell + 1]; k++) {
          const f = this.cellItems[k];
          if (this.stamp[f] === round) continue;
          this.stamp[f] = round;
          const b = f * 4;
          if (this.box[b] <= x1 && this.box[b + 2] >= x0 && this.box[b + 1] <= y1 && this.box[b + 3] >= y0) {
            found.push(f);
          }
        }
      }
    }
    return found.sort((a, b) => a - b);
  }

  holds(f, x, y) {
    let inside = false;
    for (let r = this.firstRing[f]; r < this.firstRing[f + 1]; r++) {
      const start = this.firstPoint[r];
      const end = this.firstPoint[r + 1];
      for (let p = start, q = end - 1; p < end; q = p++) {
        if (this.y[p] > y !== this.y[q] > y
            && x < ((this.x[q] - this.x[p]) * (y - this.y[p])) / (this.y[q] - this.y[p]) + this.x[p]) {
          inside = !inside;
        }
      }
    }
    return inside;
  }

  latLngs(f) {
    const rings = [];
    for (let r = this.firstRing[f]; r < this.firstRing[f + 1]; r++) {
      const ring = [];
      for (let p = this.firstPoint[r]; p < this.firstPoint[r + 1]; p++) {
        ring.push([worldLat(this.y[p]), worldLon(this.x[p])]);
      }
      rings.push(ring);
    }
    return rings;
  }

  latLngBounds(f) {
    const b = f * 4;
    return L.latLngBounds(
      [worldLat(this.box[b + 3]), worldLon(this.box[b])], [worldLat(this.box[b + 1]), worldLon(this.box[b + 2])],
    );
  }
}
