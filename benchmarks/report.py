"""Results as tables: for the terminal, and as the page of the documentation.

``python -m benchmarks.report RESULTS.json [UPDATES.json] > docs/reference/benchmarks.md`` writes the page about the
client, ``python -m benchmarks.report --service SERVICE.json [ACCESS.json] > docs/reference/service-benchmarks.md`` that
about the service.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.workloads import NAMES

Results = Mapping[str, Any]

_PAGE = """# Benchmarks

Nanoseconds for reading a setting, here and in comparable libraries. `make bench` measures again; how, and what is and
is not timed, stands in `benchmarks/README.md`.

{conditions}

## Reading

Each cell: nanoseconds for one read, how many times the floor that is, and how many times ours. The cost of the loop is
taken off. The floor is a call of an empty function with three keyword-only parameters and `**extra` that is an
attribute of an instance: {floor_ns:.0f} ns.

{reading}

* *small*: 5 rules on 3 features. *medium*: 1,000 rules keyed by user, and wildcards. *large*: {large_count:,} of these.
  *default*: no rules. *ambient*: the five rules, with environment and theme from a constant default and a context
  variable; empty where a library has no such thing.
{notes}
## Loading {large_count:,} rules, and threads

From the form in which the rules come over the wire until the first answer; the memory that the process has in addition
then; calls per second of one thread and of four.

{loading}
"""


_SERVICE_PAGE = """# Benchmarks of the service

{conditions} `make bench-service` measures again; what is measured, and how, stands in `benchmarks/README.md`.

{sections}"""


def render_terminal(results: Results) -> str:
    """Write what the command prints."""
    return "\n\n".join(
        [
            _describe_conditions(results),
            "Nanoseconds for one read / times the floor / times ours",
            _align(_reading_rows(results)),
            f"Loading {results['large_count']:,} rules; threads",
            _align(_loading_rows(results)),
            "\n".join(_notes(results)),
        ]
    ).rstrip()


def render_page(results: Results) -> str:
    """Write the page of the documentation."""
    return _PAGE.format(
        conditions=_describe_conditions(results),
        floor_ns=results["entries"][0]["floor_ns"] or 0,
        large_count=results["large_count"],
        reading=_markdown(_reading_rows(results)),
        notes="".join(f"* {note}\n" for note in _notes(results)),
        loading=_markdown(_loading_rows(results)),
    )


def render_terminal_updates(updates: Mapping[str, Any]) -> str:
    """Write what ``make bench-updates`` prints."""
    return _align(_figure_rows(updates["lines"]))


def render_terminal_section(title: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """Write one section of what ``make bench-service`` prints."""
    return f"{title}\n{_align(_figure_rows(lines))}"


def render_service(figures: Mapping[str, Any]) -> str:
    """Write the page about the service."""
    sections = [f"## {title}\n\n{_markdown(_figure_rows(lines))}\n" for title, lines in figures["sections"].items()]
    return _SERVICE_PAGE.format(conditions=figures["conditions"], sections="\n".join(sections))


def render_access(figures: Mapping[str, Any]) -> str:
    """Write the section about access control."""
    lines = [line for lines in figures["sections"].values() for line in lines]
    return f"\n## Access control\n\n`make bench-access`, {figures['conditions']}\n\n{_markdown(_figure_rows(lines))}\n"


def render_updates(updates: Mapping[str, Any]) -> str:
    """Write the section about updates."""
    table = _markdown(_figure_rows(updates["lines"]))
    return f"\n## Updates\n\n`make bench-updates`, Python {updates['python']}.\n\n{table}\n"


def _figure_rows(lines: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    verdicts = {None: "", True: "met", False: "MISSED"}
    rows = [[line["what"], line["figure"], verdicts[line["is_met"]]] for line in lines]
    return [["what", "figure", "aim"], *rows]


def _describe_conditions(results: Results) -> str:
    effort = "a quick run" if results["is_quick"] else f"{results['rounds']} rounds of fresh processes"
    return f"{results['date']}, {results['machine']}, {effort}."


def _reading_rows(results: Results) -> list[list[str]]:
    rows = [["library", "version", "Python", *NAMES]]
    for entry in results["entries"]:
        cells = [_reading_cell(entry["workloads"].get(name)) for name in NAMES]
        rows.append([entry["title"], entry["version"], entry["python"], *cells])
    return rows


def _reading_cell(figures: Mapping[str, float] | None) -> str:
    if figures is None:
        return ""
    return f"{_time(figures['ns'])} / {_ratio(figures['to_floor'])} / {_ratio(figures['to_ours'])}"


# More digits than these would say nothing.
def _time(value_ns: float) -> str:
    return f"{value_ns:,.0f}" if value_ns < 1e6 else f"{value_ns / 1e6:,.1f} ms"  # noqa: PLR2004 - see above


def _ratio(value: float) -> str:
    if value >= 1e4:  # noqa: PLR2004 - see above
        return f"{value / 1e3:,.0f} k"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"  # noqa: PLR2004 - see above


def _loading_rows(results: Results) -> list[list[str]]:
    rows = [["library", "load", "resident", "bytes per rule", "1 thread", "4 threads", "4 to 1"]]
    for entry in results["entries"]:
        load, threads = entry["load"], entry["threads"]
        cells = ["", "", ""]
        if load:
            resident = load["resident_bytes"]
            cells = [f"{load['load_s']:.2f} s", f"{resident / 1e6:.0f} MB", f"{resident / results['large_count']:.0f}"]
        if threads:
            one, four = threads["one_thread"], threads["four_threads"]
            cells += [f"{one / 1e3:,.0f} k/s", f"{four / 1e3:,.0f} k/s", f"{four / one:.2f}"]
        rows.append([entry["title"], *cells, *[""] * (6 - len(cells))])
    return rows


def _notes(results: Results) -> list[str]:
    notes = [
        f"{entry['title']} is missing or incomplete: {entry['problem']}"
        for entry in results["entries"]
        if entry["problem"]
    ]
    if any(entry["adapter"] == "published" for entry in results["entries"]):
        notes.append(
            "The published client answers one of the questions otherwise than the service's documentation asks for;"
            " what it answers is what its answers were compared with."
        )
    return notes


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


def main(arguments: Sequence[str]) -> None:
    """Write the page for the files that the command line names."""
    if arguments[0] == "--service":
        service, *access = [json.loads(Path(argument).read_text()) for argument in arguments[1:]]
        print(render_service(service) + "".join(map(render_access, access)), end="")
        return
    results, *updates = [json.loads(Path(argument).read_text()) for argument in arguments]
    print(render_page(results) + "".join(map(render_updates, updates)), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
