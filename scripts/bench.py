# SPDX-License-Identifier: GPL-2.0
"""Makes tables, JSON and plots of what "bench" has measured.

bench.py FROM TO VERSION...: from what the guests have reported, to the pages; and what
it was measured with.
"""

import json
import pathlib
import sys

from breakdown import Symbols, breakdown

CALLS = ["openat2+close", "clone3 thread", "clone3 process", "statmount", "sched_setattr", "close"]
TRACES = ["bare", "ordinary", "bare, module loaded", "ordinary, module loaded", "extended"]


def lines_of(path):
    """What a guest has reported: figures, and targets."""
    figures, targets = [], []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        (targets if "target" in entry else figures).append(entry)
    return figures, targets


def table(head, rows):
    """A table as reStructuredText and a terminal want it."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    rule = "  ".join("=" * width for width in widths)
    lines = [rule, *("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip()
                     for row in [head, *rows])]
    lines.insert(2, rule)
    return "\n".join([*lines, rule, ""])


def number(value):
    """Nothing, if there is no such figure."""
    return "" if value is None else f"{value:,.0f}"


def quotient(a, b):
    """The same of two."""
    return "" if a is None or b is None else f"{a / b:.3f}"


class Figures:
    """Figures, by what they are of."""

    def __init__(self, figures):
        self.values = {(f["state"], f["what"], f["filter"], f["n"]): f["value"] for f in figures}

    def get(self, state, what, kind, n=1):
        """One of them, if it was measured."""
        return self.values.get((state, what, kind, n))

    def counts(self, what):
        """For how many filters, instructions or threads something was measured."""
        return sorted({n for _, w, _, n in self.values if w == what and n})

    def of_kind(self, prefix):
        """What was measured that is called so."""
        return list(dict.fromkeys(w for _, w, _, _ in self.values if w.startswith(prefix)))


def targets_table(targets):
    """Measured, limit, met."""
    return table(["Case", "Ratio", "Filter", "n", "Limit", "Measured", "Met"], [
        [t["what"], t["target"], t["filter"], t["n"],
         f"{'≤' if t['bound'] == 'at most' else '≥'} {t['limit']:g}", f"{t['ratio']:.5f}",
         "yes" if t["met"] else "no"] for t in targets])


def calls_table(figures):
    """Each call, without the module and with it."""
    rows = []
    for call in CALLS:
        ordinary = figures.get("absent", call, "ordinary")
        extended = figures.get("loaded", call, "extended")
        rows.append([call, number(figures.get("absent", call, "none", 0)), number(ordinary),
                     number(figures.get("loaded", call, "none", 0)),
                     number(figures.get("loaded", call, "ordinary")),
                     number(figures.get("used", call, "none", 0)),
                     number(figures.get("used", call, "ordinary")),
                     number(extended), quotient(extended, ordinary)])
    return table(["Call", "Bare", "Ordinary", "Loaded: bare", "Ordinary", "In use: bare",
                  "Ordinary", "Extended", "/ ordinary"], rows)


def chains_table(figures):
    """Several filters of one kind."""
    rows = []
    for call in CALLS:
        for n in figures.counts(call):
            ordinary = figures.get("absent", call, "ordinary", n)
            extended = figures.get("loaded", call, "extended", n)
            rows.append([call, n, number(ordinary), number(extended), quotient(extended, ordinary)])
    return table(["Call", "Filters", "Ordinary", "Extended", "Ratio"], rows)


def supervisors_table(figures, times):
    """Who answers, in instructions and in time."""
    kinds = ["extended", "notify", "notify, synchronous", "notify, reading", "trace"]
    rows = []
    for call in CALLS[:-1]:
        base = figures.get("loaded", call, "extended")
        base_time = times.get("loaded", call, "extended")
        for kind in kinds:
            state = "loaded" if kind == "extended" else "absent"
            value = figures.get(state, call, kind)
            rows.append([call, kind, number(value), quotient(value, base),
                         quotient(times.get("loaded", call, kind), base_time)])
    return table(["Call", "Filter", "Instructions", "/ extended", "Time / extended"], rows)


def installs_table(figures):
    """Installation, by shape and length."""
    rows = []
    for what in figures.of_kind("install "):
        for n in figures.counts(what):
            ordinary = figures.get("absent", what, "ordinary", n)
            extended = figures.get("loaded", what, "extended", n)
            rows.append([what.removeprefix("install "), n, number(ordinary),
                         number(figures.get("loaded", what, "ordinary", n)),
                         number(extended), quotient(extended, ordinary)])
    return table(["Shape", "Length", "Ordinary", "Module loaded", "Extended", "Ratio"], rows)


def crowds_table(figures):
    """Many threads: calls, and memory."""
    what = "openat2+close in a crowd"
    memory = figures.of_kind("memory of a thread ")
    return table(["Threads", "Ordinary", "Extended",
                  *("Bytes, " + name.removeprefix("memory of a thread ") for name in memory)], [
        [number(n), number(figures.get("used", what, "ordinary", n)),
         number(figures.get("used", what, "extended", n)),
         *(number(figures.get("used", name, "extended", n)) for name in memory)]
        for n in figures.counts(what)])


def turns_table(figures):
    """Two who take turns."""
    what = "openat2+close, in turns"
    ordinary = figures.get("absent", what, "ordinary")
    extended = figures.get("loaded", what, "extended")
    return table(["Bare", "Ordinary", "Module loaded", "Extended", "Ratio"], [
        [number(figures.get("absent", what, "none", 0)), number(ordinary),
         number(figures.get("loaded", what, "ordinary")), number(extended),
         quotient(extended, ordinary)]])


def breakdown_table(columns):
    """Functions by what they add, then by what they take anyway."""
    functions = sorted(set().union(*columns), key=lambda f: (
        columns[0][f] - columns[-1][f], -columns[0][f], f))
    rows = [[f, *(column[f] or "" for column in columns)] for f in functions]
    rows.append(["All", *(sum(column.values()) for column in columns)])
    return table(["Function", *(t.capitalize() for t in TRACES)], rows)


def plot(path, title, commands):
    """A script for gnuplot, which makes a picture of the same name."""
    path.with_suffix(".gnuplot").write_text(
        "reset\nset terminal pngcairo noenhanced size 900,500 font 'DejaVu Sans,10'\n"
        f"set output '{path}'\nset title \"{title}\"\nset grid y\nset key outside bottom center "
        f"horizontal\nset yrange [0:*]\n{commands}\n", encoding="utf-8")


def block(rows):
    """Rows of data, as gnuplot reads them."""
    return "$data << END\n" + "".join(
        "\t".join(f'"{c}"' if isinstance(c, str) else "?" if c is None else f"{c}" for c in row) + "\n"
        for row in rows) + "END\nset datafile missing '?'\n"


def plots(to, figures, times):
    """Pictures of what the tables say."""
    histogram = "set style data histograms\nset style fill solid 0.8\nset boxwidth 0.9\n"

    bars = (("absent", "ordinary"), ("used", "ordinary"), ("loaded", "extended"))
    rows = [[call, *(figures.get(state, call, kind) - figures.get(state, call, "none", 0)
                     for state, kind in bars)] for call in CALLS]
    plot(to / "calls.png", "What one filter of eight instructions adds to a call",
         block(rows) + histogram + "set ylabel 'instructions'\n"
         "plot $data using 2:xtic(1) title 'ordinary, without the module', "
         "$data using 3 title 'ordinary, the module in use', "
         "$data using 4 title 'extended'")

    call = CALLS[0]
    plot(to / "chains.png", f"{call} under several filters",
         block([[n, figures.get("absent", call, "ordinary", n),
                 figures.get("loaded", call, "extended", n)] for n in figures.counts(call)])
         + "set ylabel 'instructions'\nset xlabel 'filters'\n"
         "plot $data using 1:2 with linespoints title 'ordinary, without the module', "
         "$data using 1:3 with linespoints title 'extended'")

    kinds = ["ordinary", "extended", "notify", "notify, synchronous", "notify, reading", "trace"]
    rows = []
    for kind in kinds:
        value = figures.get("loaded" if kind == "extended" else "absent", call, kind)
        rows.append([kind, value / figures.get("absent", call, "none", 0),
                     times.get("loaded", call, kind)])
    plot(to / "supervisors.png", f"{call}, as a multiple of the call without a filter",
         block(rows) + histogram + "set logscale y\nset yrange [0.8:*]\n"
         "plot $data using 2:xtic(1) title 'instructions, one CPU', "
         "$data using 3 title 'time, two CPUs'")

    shapes = figures.of_kind("install ")
    rows = [[n, *(figures.get(state, shape, kind, n) for shape in shapes for state, kind in
                  (("absent", "ordinary"), ("loaded", "extended")))]
            for n in figures.counts(shapes[0])]
    curves = ", ".join(
        f"$data using 1:{2 + 2 * i + j} with linespoints lc {i + 1} dt {2 - j} "
        f"title '{shape.removeprefix('install ')}, {kind}'"
        for i, shape in enumerate(shapes) for j, kind in enumerate(("ordinary", "extended")))
    plot(to / "install.png", "Installation of a filter",
         block(rows) + "set logscale xy\nset yrange [*:*]\nset ylabel 'instructions'\n"
         f"set xlabel 'length of the filter'\nplot {curves}")

    what = "openat2+close in a crowd"
    plot(to / "crowds.png", f"{call} while so many other threads have caches",
         block([[n, figures.get("used", what, "ordinary", n),
                 figures.get("used", what, "extended", n)] for n in figures.counts(what)])
         + "set logscale x\nset ylabel 'instructions'\nset xlabel 'threads'\n"
         "plot $data using 1:2 with linespoints title 'ordinary', "
         "$data using 1:3 with linespoints title 'extended'")


def main():
    """Everything; the tables of the targets and the calls are shown as well."""
    source, to = map(pathlib.Path, sys.argv[1:3])
    versions = sys.argv[3:]
    counted, targets = lines_of(source / "instructions")
    clocked, clock_targets = lines_of(source / "time")
    targets += clock_targets
    figures, times = Figures(counted), Figures(clocked)
    symbols = Symbols((source / "symbols").read_text().splitlines())
    columns = [breakdown(symbols, source / f"trace.{n}") for n in range(1, len(TRACES) + 1)]
    pages = {
        "targets": targets_table(targets),
        "calls": calls_table(figures),
        "chains": chains_table(figures),
        "supervisors": supervisors_table(figures, times),
        "installs": installs_table(figures),
        "crowds": crowds_table(figures),
        "turns": turns_table(figures),
        "breakdown": breakdown_table(columns),
    }

    to.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (to / f"{name}.rst").write_text(
            ".. SPDX-License-Identifier: GPL-2.0\n.. Made by \"make bench\". Do not edit.\n\n" + text,
            encoding="utf-8")
    (to / "figures.json").write_text(json.dumps({
        "versions": versions, "figures": counted + clocked, "targets": targets,
        "breakdown": dict(zip(TRACES, columns)),
    }, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    plots(source, figures, times)
    print("\n".join([pages["calls"], pages["supervisors"], pages["targets"]]))


main()
