/**
 * Counts and times, and writes them in the Prometheus text format 0.0.4.
 *
 * @module
 */

/** Upper bounds in seconds: Prometheus's own defaults. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Something the registry writes. */
export interface Metric {
  /** Its lines of the exposition. */
  lines(): string[];
}

/** A value that only grows, one for each combination of labels. */
export class Counter implements Metric {
  readonly #series = new Map<string, { value: number }>();

  constructor(readonly name: string, readonly help: string) {}

  /** Adds one to the series of these labels. */
  add(labels: Readonly<Record<string, string>>): void {
    this.series(labels).value++;
  }

  /** The series of these labels, for who counts often; it shows up once it has counted. */
  series(labels: Readonly<Record<string, string>>): { value: number } {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (series === undefined) this.#series.set(key, series = { value: 0 });
    return series;
  }

  lines(): string[] {
    const lines = [...this.#series].filter(([, { value }]) => value > 0)
      .map(([labels, { value }]) => `${this.name}${labels} ${value}`);
    return [...heading(this, "counter"), ...lines];
  }
}

/** How often values fell below each bound. */
export class Histogram implements Metric {
  readonly #series = new Map<string, Distribution>();

  constructor(readonly name: string, readonly help: string) {}

  /** The series of these labels; it shows up once something was observed. */
  series(labels: Readonly<Record<string, string>>): Distribution {
    const key = labelText(labels);
    let series = this.#series.get(key);
    if (series === undefined) this.#series.set(key, series = new Distribution());
    return series;
  }

  lines(): string[] {
    const lines = heading(this, "histogram");
    for (const [labels, { counts, sum, count }] of this.#series) {
      if (count === 0) continue;
      const inner = labels.slice(1, -1);
      const before = inner === "" ? "" : `${inner},`;
      let below = 0;
      BUCKETS.forEach((bound, index) => {
        below += counts[index]!;
        lines.push(`${this.name}_bucket{${before}le="${bound}"} ${below}`);
      });
      lines.push(`${this.name}_bucket{${before}le="+Inf"} ${count}`);
      lines.push(`${this.name}_sum${labels} ${sum}`, `${this.name}_count${labels} ${count}`);
    }
    return lines;
  }
}

/** Observations of one series. */
export class Distribution {
  readonly counts: number[] = BUCKETS.map(() => 0);
  sum = 0;
  count = 0;

  /** Adds a value, in seconds. */
  observe(seconds: number): void {
    this.sum += seconds;
    this.count++;
    for (let index = 0; index < BUCKETS.length; index++) {
      if (seconds <= BUCKETS[index]!) {
        this.counts[index]!++;
        return;
      }
    }
  }
}

/** A value read when it is asked for. */
export class Gauge implements Metric {
  constructor(readonly name: string, readonly help: string, readonly read: () => number) {}

  lines(): string[] {
    return [...heading(this, "gauge"), `${this.name} ${this.read()}`];
  }
}

/** Values read when they are asked for, one for each combination of labels. */
export class LabelledGauge implements Metric {
  constructor(
    readonly name: string,
    readonly help: string,
    readonly read: () => Iterable<readonly [labels: Readonly<Record<string, string>>, value: number]>,
  ) {}

  lines(): string[] {
    const lines = Array.from(this.read(), ([labels, value]) => `${this.name}${labelText(labels)} ${value}`);
    return [...heading(this, "gauge"), ...lines];
  }
}

/** All metrics as Prometheus reads them. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics.flatMap((metric) => metric.lines()).join("\n") + "\n";
}

function heading(metric: { name: string; help: string }, type: string): string[] {
  return [`# HELP ${metric.name} ${metric.help}`, `# TYPE ${metric.name} ${type}`];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => character === "\n" ? "\\n" : `\\${character}`);
}
