"""A route for a lamp on the shelf: GET /api/plugins/lamp/colour says in one word how all is."""

import msgspec

from treeledger import impl
from treeledger.api.routing import Route


class Colour(msgspec.Struct):
    """`colour`: green, or red if a person should look."""

    colour: str


async def colour(service, asked):
    states = {keeper.state for keeper in service.engine.keepers.values()}
    return Colour("green" if states <= {"watching", "scanning"} else "red")


@impl
def api_routes(tables):
    return [Route("GET", "/api/plugins/lamp/colour", "How all is, for a lamp", colour, Colour)]
