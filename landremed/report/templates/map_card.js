// One parcel in words. Everything is put in as text, never as markup.

const make = (tag, name, ...children) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const child of children) {
    if (child === null || child === undefined || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
};

const grouped = (value, digits) => {
  if (value === null || value === undefined) return "";
  const [whole, rest] = value.toFixed(digits).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest ? `.${rest}` : "");
};

const percent = (share) => {
  if (share === null || share === undefined) return "";
  if (share > 0 && share < 0.0005) return "<0.1%";
  if (share < 1 && share >= 0.9995) return ">99.9%";
  return `${(share * 100).toFixed(1).replace(/\.0$/, "")}%`;
};

class Card {
  constructor(app) {
    this.app = app;
    this.element = document.getElementById("card");
  }

  hide() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  show(f) {
    const { app } = this;
    const head = make("header", "", this.chip(f), make("h2", "", app.ids[f]), this.kind(f), this.buttons(f));
    const sections = [
      this.sentence(f), this.missing(f), this.overlaps(f), this.deadline(f), this.clauses(f), this.rules(f),
      this.duties(f), this.list("steps", f, "ol"), this.list("acceptance", f, "ul"), this.notices(f),
      make("p", "advice", app.footer.advice),
    ];
    this.element.replaceChildren(head, make("div", "body", ...sections));
    this.element.hidden = false;
    this.element.scrollTop = 0;
    this.element.querySelector(".body").scrollTop = 0;
  }

  chip(f) {
    const { app } = this;
    const outcome = app.text("outcome", f);
    const color = app.data.colors.outcome[outcome] || { fill: "#999", line: "#555" };
    const dot = make("i", color.dash ? "dash" : "");
    dot.style.background = color.fill;
    dot.style.borderColor = color.line;
    return make("div", "chip", dot, app.outcomeLabel(f));
  }

  kind(f) {
    const { app } = this;
    const parts = ["category", "subtype"].map((n) => app.label(n, app.text(n, f))).filter(Boolean);
    const line = [[...new Set(parts)].join(" · ") || app.words.no_class];
    const area = app.number("area_m2", f);
    if (area !== null) {
      line.push(`${grouped(area, 2)} ${app.words.m2_unit}`);
      line.push(`${grouped(app.number("area_mu", f), 2)} ${app.words.mu_unit}`);
    }
    return make("p", "kind", line.join("　"));
  }

  buttons(f) {
    const { app } = this;
    const zoom = make("button", "", app.words.zoom_to);
    zoom.type = "button";
    zoom.onclick = () => app.zoomTo(f);
    zoom.disabled = !app.shapes.has(f);
    const close = make("button", "close", "×");
    close.type = "button";
    close.title = app.words.close;
    close.setAttribute("aria-label", app.words.close);
    close.onclick = () => app.select(-1);
    return make("div", "buttons", zoom, close);
  }

  section(name, ...children) {
    const there = children.filter((child) => child !== null && child !== undefined && child !== "");
    return there.length ? make("section", name, make("h3", "", this.app.words[name] || name), ...there) : null;
  }

  sentence(f) {
    const { app } = this;
    const measure = app.label("measure", app.text("measure", f));
    const why = app.text("why", f);
    const reason = app.label("reason", app.text("reason", f));
    const foreign = app.language !== app.data.meta.file_language;
    const sentence = why ? make("p", "why", why) : null;
    if (sentence && foreign) sentence.append(make("small", "", ` (${app.words.file_sentence || "zh"})`));
    return make(
      "section", "lead", measure ? make("p", "measure", measure) : null,
      reason ? make("p", "measure", reason) : null, sentence,
      app.shapes.has(f) ? null : make("p", "warn", app.words.no_shape),
    );
  }

  missing(f) {
    const { app } = this;
    const facts = app.list("missing_facts", f).map((name) => app.label("fact", name));
    if (!facts.length) return null;
    const outcomes = app.list("possible_outcomes", f).map((code) => app.label("outcome", code));
    return this.section(
      "missing", make("ul", "", ...facts.map((fact) => make("li", "", fact))),
      outcomes.length ? this.row(app.words.possible, outcomes.join(app.comma)) : null,
    );
  }

  row(name, value) {
    return value ? make("div", "row", make("span", "", name), make("b", "", value)) : null;
  }

  overlaps(f) {
    const { app } = this;
    const table = make("table", "");
    const line = (name, area, share) => {
      const row = make("tr", area ? "" : "zero", make("td", "", name));
      if (area === null) {
        const cell = make("td", "num", app.words.not_measured);
        cell.colSpan = 2;
        row.append(cell);
      } else {
        row.append(make("td", "num", `${grouped(area, 2)} ${app.words.m2_unit}`), make("td", "num", percent(share)));
      }
      table.append(row);
    };
    for (const layer of app.data.measured) {
      line(app.label("layer", layer), app.number(`${layer}_area_m2`, f), app.number(`${layer}_share`, f));
    }
    const whole = app.number("area_m2", f);
    const more = [["outside_farm", "farmland_outside_boundary_area_m2"],
      ["outside_red", "red_line_outside_boundary_area_m2"], ["cultivated", "cultivated_area_m2"]];
    for (const [name, column] of more) {
      const area = app.number(column, f);
      if (area) line(app.words[name], area, whole ? Math.min(1, area / whole) : null);
    }
    return this.section("overlaps", table);
  }

  deadline(f) {
    const { app } = this;
    const schedules = app.list("schedule", f).map((name) => app.label("schedule", name));
    const due = app.text("due_on", f);
    const late = app.number("overdue", f);
    const next = app.text("next_milestone_on", f);
    const share = app.number("next_milestone_share", f);
    const value = due ? make("span", late ? "late" : "", late ? `${due}　${app.words.overdue}` : due) : null;
    return this.section(
      "deadline", value ? make("div", "row", make("span", "", app.words.due), make("b", "", value)) : null,
      !due && late ? this.row(app.words.due, app.words.overdue) : null,
      next ? this.row(app.words.next, `${next}　${percent(share)}`) : null,
      this.row(app.words.priority, app.number("priority", f)),
      app.number("zero_tolerance", f) ? make("p", "warn", app.words.zero) : null,
      ...schedules.map((name) => make("p", "fine", name)),
    );
  }

  clauses(f) {
    const { app } = this;
    const rows = app.list("clause", f).map((clause) => make(
      "p", "clause", make("b", "", app.label("clause", clause)), " ", app.label("clause_text", clause),
    ));
    return this.section("clauses", ...rows);
  }

  rules(f) {
    const { app } = this;
    const open = app.text("outcome", f) === "needs_review";
    const steps = app.data.trace[app.text("trace_id", f)] || [];
    const rows = steps.map(([rule, value, decides]) => {
      const words = (app.labels.rule[rule]) || rule;
      const state = make("span", `holds ${value}`, app.label("holds", value));
      const mark = decides ? make("em", "", open ? app.words.may_decide : app.words.decides) : null;
      return make("li", decides ? "decides" : "", state, make("span", "words", words, mark));
    });
    if (!rows.length) return null;
    const box = make("details", "rules", make("summary", "", app.words.rules), make("ol", "", ...rows));
    box.open = app.rulesOpen;
    box.ontoggle = () => { app.rulesOpen = box.open; };
    return box;
  }

  duties(f) {
    const { app } = this;
    const title = (name) => app.columnTitles[name];
    const names = ["implementing_unit", "other_units", "lead", "cooperating", "implementing"];
    const rows = names.map((name) => {
      const value = app.text(name, f) || "";
      return this.row(title(name), name === "other_units" ? value.replaceAll(",", app.comma) : value);
    });
    const sizes = [["to_demolish", "demolish_area_m2"], ["to_restore", "restore_area_m2"]].map(([word, column]) => {
      const area = app.number(column, f);
      return area ? this.row(app.words[word], `${grouped(area, 2)} ${app.words.m2_unit}`) : null;
    });
    return this.section(
      "duties", ...rows, ...sizes, app.number("restore_cultivation", f) ? make("p", "fine", app.words.recultivate) : null,
      this.row(app.words.programme, app.text("source_programme", f)),
    );
  }

  list(name, f, tag) {
    const { app } = this;
    const rule = (app.text("rule", f) || "").split(",")[0];
    const owner = app.data.rule_class[rule] || app.text("category", f) || "";
    const key = [owner, app.text("subtype", f) || "", app.text("measure", f) || "", app.text("clause", f) || ""].join("|");
    const items = app.labels[name][key] || [];
    return items.length ? this.section(name, make(tag, "", ...items.map((item) => make("li", "", item)))) : null;
  }

  notices(f) {
    const { app } = this;
    const subjects = new Map();
    for (const flag of app.list("flags", f)) {
      const [name, ...rest] = flag.split(":");
      const subject = rest.join(":");
      const title = app.label("layer", subject) === subject ? app.label("fact", subject) : app.label("layer", subject);
      subjects.set(name, [...(subjects.get(name) || []), title]);
    }
    const items = [...subjects].map(([name, titles]) => {
      const words = app.label("flag", name).split("{name}");
      return make("li", "", words.join(titles.join(app.comma)));
    });
    return items.length ? this.section("notices", make("ul", "fine", ...items)) : null;
  }
}
