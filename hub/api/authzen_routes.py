"""OpenID AuthZEN (Authorization API 1.0): decisions for other systems."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from core.errors import BadInput
from core.messages import message
from hub.api.routes import By, Moment, Name, On, caller
from hub.api.state import State
from hub.deciding import authzen
from hub.deciding.authzen import PAGE, Entity, Evaluation, Page, Semantic
from hub.deciding.doors import Asker
from hub.identity import Caller
from hub.serving.notes import Call

open_routes = APIRouter(tags=["authzen"])
router = APIRouter(prefix="/access/v1", dependencies=[Depends(caller)])

Word = Annotated[str, Field(min_length=1, max_length=200)]
Case = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w\-/.]+$")]


class _Part(BaseModel):
    """The specification lets every object hold more than we know; that is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EntityBody(_Part):
    """A subject or a resource."""

    type: Word
    id: Word | None = None

    @property
    def entity(self) -> Entity:
        """As decisions take it."""
        return Entity(self.type, self.id)


class ActionBody(_Part):
    """An action."""

    name: Word


class ContextBody(_Part):
    """Purpose and case of the access asked about. ``asked_for``: the purpose for which the
    caller asks about others; the same, if left out.
    """

    purpose: Name | None = None
    case: Case | None = None
    time: Moment | None = None
    asked_for: Name | None = None


class EvaluationBody(_Part):
    """One question, or the defaults of several."""

    subject: EntityBody | None = None
    action: ActionBody | None = None
    resource: EntityBody | None = None
    context: ContextBody | None = None

    def asked(self, defaults: EvaluationBody | None = None) -> Evaluation:
        """As decisions take it; what is missing is that of ``defaults``."""
        usual = defaults or self
        subject = self.subject or usual.subject
        action = self.action or usual.action
        resource = self.resource or usual.resource
        context = self.context or usual.context or ContextBody()
        return Evaluation(
            subject=None if subject is None else subject.entity,
            action=None if action is None else action.name,
            resource=None if resource is None else resource.entity,
            purpose=context.purpose,
            time=context.time,
        )


class OptionsBody(_Part):
    """How several questions are decided."""

    evaluations_semantic: Semantic = Semantic.EXECUTE_ALL


class EvaluationsBody(EvaluationBody):
    """Several questions; without any, the one that the defaults make."""

    evaluations: Annotated[tuple[EvaluationBody, ...], Field(max_length=100)] = ()
    options: OptionsBody = OptionsBody()


class PageBody(_Part):
    """Which page: the token that the page before gave."""

    token: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, validation_alias=AliasChoices("token", "next_token")
    )
    limit: Annotated[int, Field(ge=1)] = PAGE


class SearchBody(EvaluationBody):
    """A question with one part left open."""

    page: PageBody = PageBody()

    @property
    def wanted(self) -> Page:
        """As searches take it."""
        # Tokens stand for "from the start" where they are empty.
        return Page(self.page.token or None, self.page.limit)


@open_routes.get("/.well-known/authzen-configuration")
async def configuration(request: Request) -> dict[str, str]:
    """Where what can be asked."""
    here = str(request.base_url).rstrip("/")
    return {
        "policy_decision_point": here,
        "access_evaluation_endpoint": f"{here}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{here}/access/v1/evaluations",
        "search_subject_endpoint": f"{here}/access/v1/search/subject",
        "search_resource_endpoint": f"{here}/access/v1/search/resource",
        "search_action_endpoint": f"{here}/access/v1/search/action",
    }


@router.post("/evaluation")
def evaluation(body: EvaluationBody, on: On, by: By) -> dict[str, Any]:
    """The decision on one question."""
    return authzen.evaluate(_asker(on, by, body), body.asked())


@router.post("/evaluations")
def evaluations(body: EvaluationsBody, on: On, by: By) -> dict[str, Any]:
    """The decisions on several questions."""
    asker = _asker(on, by, body, *body.evaluations)
    if not body.evaluations:
        return authzen.evaluate(asker, body.asked())
    asked = [one.asked(body) for one in body.evaluations]
    return authzen.evaluate_all(asker, asked, body.options.evaluations_semantic)


@router.post("/search/subject")
def subjects(body: SearchBody, on: On, by: By) -> dict[str, Any]:
    """The clients that would be permitted."""
    return authzen.search_subjects(_asker(on, by, body), body.asked(), body.wanted)


@router.post("/search/resource")
def resources(body: SearchBody, on: On, by: By) -> dict[str, Any]:
    """The resources that a client would be permitted to act on."""
    return authzen.search_resources(_asker(on, by, body), body.asked(), body.wanted)


@router.post("/search/action")
def actions(body: SearchBody, on: On, by: By) -> dict[str, Any]:
    """The actions that a client would be permitted to do."""
    return authzen.search_actions(_asker(on, by, body), body.asked(), body.wanted)


def _asker(on: State, by: Caller, *bodies: EvaluationBody) -> Asker:
    """Who asks, why: as the first context says that names purpose and case."""
    for body in bodies:
        context = body.context
        if context is not None and context.purpose is not None and context.case is not None:
            purpose = context.asked_for or context.purpose
            return Asker(on.office, Call(by, purpose, context.case))
    raise BadInput(field="context", rule=message("rule_authzen_context"))
