"""Who else reads what a link writes, and whether they may."""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from functions.api.guard import Here
from functions.api.routes.links import LinkInFull, tagged
from functions.api.routing import new_router
from functions.api.shapes import In, Out
from shared.sync import links
from shared.sync.asking import readers, requests

router = new_router()
TAGS = ["links"]


class Readers(Out):
    """Who reads in the target more than when somebody is busy; null: its provider does not say it. `new`: with whom of
    them it was shared later, or of whom nobody knew, so that you have not said whether they may read what the link
    shows. `see`: what of its events they see."""

    readers: list[str] | None
    new: list[str]
    see: list[str]


class Decision(In):
    """`may_read` true: they may read what the link shows, and you are asked again only when the target is shared with
    somebody else. False: the link shows no more than when you are busy, in every mirror."""

    may_read: bool


@router.get("/api/links/<link_id>/readers", tags=TAGS)
def get_readers(visit: Here, link_id: UUID) -> Readers:
    """Who else reads what a link writes."""
    with visit.mine() as conn:
        return Readers.model_validate(readers.of_link(conn, links.get(conn, link_id)))


@router.post("/api/links/<link_id>/readers", tags=TAGS)
def decide_readers(visit: Here, link_id: UUID, body: Decision) -> Response[LinkInFull]:
    """Say whether whoever reads the target by now may read what the link shows.

    To show less through a link of a group, change the group: false answers 409 LINK.IN_GROUP there."""
    return tagged(visit, requests.decide_readers(visit.engine, visit.by, link_id, may_read=body.may_read))
