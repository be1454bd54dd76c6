"""What departments get wrong: by kind, by month, how fast they answer, and what would help.

A report holds counts only, never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import Row, select

from core.clock import CHINA, today
from core.errors import NotFound
from core.messages import LANGUAGES, catalogue, message, say
from hub.app import Hub
from hub.serving.access import About, Call
from hub.serving.office import Office
from hub.stewardship.corrections import Which, datasets
from hub.stewardship.material import Material
from hub.stewardship.patterns import Patterns
from hub.stewardship.sight import Look, OperatorSight
from reconcile import releases
from reconcile.corrections import UNSETTLED, Book, State
from reconcile.models import Correction, CorrectionEvent
from reconcile.releases import ReleaseMissing

_ANSWERS = frozenset({State.FIXED, State.DISPUTED, State.CLOSED})
_WHOLE_ROW = "-"
_Kind = tuple[str, str, str]
"""Dataset, attribute or item, and the kind of error."""


def report(office: Office, call: Call, department: str | None = None) -> dict[str, Any]:
    """The report of a department, or of each whose datasets are open to the caller.

    Raises:
        NotFound: no such department has a dataset.
        SubjectUnknown, Forbidden: no dataset is open to the caller.
    """
    names = datasets(office, call, "correction_report", Which(department=department))
    access, found = office.datasets(call, "correction_report", names, department)
    contracts = office.rules.workspace.contracts
    with office.hub.engine.connect() as connection:
        book = Book(connection, office.hub.keys, office.hub.clock.now())
        tickets = book.tickets(Correction.dataset.in_(found))
        events: dict[int, list[Row[Any]]] = {}
        for event in connection.execute(
            select(CorrectionEvent.__table__)
            .where(CorrectionEvent.correction.in_([t.number for t in tickets]))
            .order_by(CorrectionEvent.id)
        ):
            events.setdefault(event.correction, []).append(event)
        release = releases.current(connection)
    manifest = {} if release is None else release.manifest
    differing = _differing(office.hub, set(found), manifest)
    told = []
    for name in sorted({contracts[dataset].department for dataset in found}):
        own = {d for d in found if contracts[d].department == name}
        theirs = [ticket for ticket in tickets if ticket.dataset in own]
        told.append(
            {
                "department": name,
                "datasets": sorted(own),
                **_answering(office.hub, theirs, events),
                "kinds": _kinds(own, theirs, differing, _unfit(own, manifest)),
                "trend": _trend(theirs, events),
            }
        )
    body = {"release": release and release.number, "departments": told}
    return access.give(body, About(rows={"departments": len(told), "tickets": len(tickets)}))


def _answering(
    hub: Hub, tickets: Collection[Row[Any]], events: Mapping[int, list[Row[Any]]]
) -> dict[str, Any]:
    """How many tickets there are, and the share that was answered in time of those that were
    answered or should have been.
    """
    day = today(hub.clock)
    asked = [ticket for ticket in tickets if ticket.state != State.WITHDRAWN]
    answered = {t.number: _answered(events[t.number]) for t in asked}
    counted = [t for t in asked if answered[t.number] is not None or t.due < day]
    in_time = [t for t in counted if (at := answered[t.number]) is not None and at <= t.due]
    waiting = [t for t in asked if t.state == State.OPEN]
    return {
        "tickets": len(tickets),
        "unsettled": sum(ticket.state in UNSETTLED for ticket in tickets),
        "overdue": sum(ticket.due < day for ticket in waiting),
        "answered_in_time": round(len(in_time) / len(counted), 4) if counted else None,
    }


def _answered(events: Collection[Row[Any]]) -> Any:
    """The day of the first answer; a pull that settles a ticket is one."""
    moments = (event.made_at for event in events if event.state in _ANSWERS)
    first = next(moments, None)
    return None if first is None else first.astimezone(CHINA).date()


def _trend(
    tickets: Collection[Row[Any]], events: Mapping[int, list[Row[Any]]]
) -> list[dict[str, Any]]:
    """Tickets opened and settled by month (YYYY-MM), and by which release they were settled."""
    opened = Counter(_month(ticket.opened_at) for ticket in tickets)
    closings = [e for t in tickets for e in events[t.number] if e.state == State.CLOSED]
    closed = Counter(_month(event.made_at) for event in closings)
    by: dict[str, set[int]] = {}
    for event in closings:
        if event.release is not None:
            by.setdefault(_month(event.made_at), set()).add(event.release)
    return [
        {
            "month": month,
            "opened": opened[month],
            "closed": closed[month],
            "releases": sorted(by.get(month, ())),
        }
        for month in sorted(opened.keys() | closed.keys())
    ]


def _month(moment: Any) -> str:
    return f"{moment.astimezone(CHINA):%Y-%m}"


def _kinds(
    own: Collection[str],
    tickets: Collection[Row[Any]],
    differing: Mapping[_Kind, int],
    unfit: Mapping[_Kind, int],
) -> list[dict[str, Any]]:
    """Kinds of errors, the most frequent first, each with what would help. ``tickets`` were
    asked for, ``values`` differ from what others say, ``rows`` were quarantined.
    """
    asked = Counter((t.dataset, t.attribute, t.error) for t in tickets)
    theirs = {kind: count for kind, count in differing.items() if kind[0] in own}
    kinds = sorted(asked.keys() | theirs.keys() | unfit.keys())
    told = [
        {
            "dataset": dataset,
            "attribute": attribute,
            "error": error,
            "tickets": asked[dataset, attribute, error],
            "values": theirs.get((dataset, attribute, error), 0),
            "rows": unfit.get((dataset, attribute, error), 0),
            "advice": _advice(attribute, error),
        }
        for dataset, attribute, error in kinds
    ]
    return sorted(told, key=lambda kind: -(kind["tickets"] + kind["values"] + kind["rows"]))


def _advice(attribute: str, error: str) -> dict[str, str]:
    """What to change in how it is collected, in each language."""
    code = f"advice_{error}"
    if code in catalogue():
        return {language: say(code, language, attribute=attribute) for language in LANGUAGES}
    rule = message(error) if error in catalogue() else error
    code = "advice_rows" if attribute == _WHOLE_ROW else "advice_quality"
    return {language: say(code, language, attribute=attribute, rule=rule) for language in LANGUAGES}


def _unfit(own: Collection[str], manifest: Mapping[str, Any]) -> dict[_Kind, int]:
    """Rows that the gate of the current release kept back, by rule."""
    found = {}
    for dataset in own:
        state = manifest.get("datasets", {}).get(dataset, {})
        for reason, count in state.get("reasons", {}).items():
            item, _, rule = reason.rpartition(".")
            found[dataset, item or _WHOLE_ROW, rule] = count
    return found


def _differing(hub: Hub, found: Collection[str], manifest: Mapping[str, Any]) -> dict[_Kind, int]:
    """Values of the current release that differ from what others say, by how they differ."""
    counts: Counter[_Kind] = Counter()
    for dataset, group in _groups(hub, found, manifest):
        counts[dataset, group.attribute, group.relation.value] += group.count
    return dict(counts)


def _groups(
    hub: Hub, found: Collection[str], manifest: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, subject in hub.workspace().subjects.items():
        if name not in manifest.get("subjects", {}) or not subject.feeds.keys() & set(found):
            continue
        try:
            material = Material(hub, name)
        except (NotFound, ReleaseMissing):
            continue
        sight = OperatorSight(hub, Look("correction_report", name))
        for group in Patterns(sight, material).grouping()[0].groups:
            if group.dataset in found:
                yield group.dataset, group
