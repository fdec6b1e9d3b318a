"""Work in workers, and that it ends before the widgets that it is for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVarTuple

from textual.dom import DOMNode
from textual.worker import Worker

if TYPE_CHECKING:
    from textual.widget import Widget as _Base
else:
    _Base = object

Given = TypeVarTuple("Given")


def begin(
    node: DOMNode,
    what: Callable[[*Given], Coroutine[Any, Any, None]],
    *given: *Given,
    group: str = "default",
    exclusive: bool = False,
) -> Worker[None]:
    """Has something done in a worker of `node`; `exclusive` cancels what is done in its group.

    It is called in the worker: a coroutine made before would complain if it was cancelled before it began.
    """
    work: Any = partial(what, *given)
    worker: Worker[None] = node.run_worker(work, group=group, exclusive=exclusive)
    if isinstance(node, Ending) and node.is_ending:
        worker.cancel()
    return worker


class Ending(_Base):
    """Of a screen: its workers are cancelled as soon as it is closed, and those that it still begins.

    Textual cancels them once the screen's widgets are gone, and an answer that comes in between finds none to
    be written to. Those of the widgets are left to it: a widget may wait for its own before it goes.
    """

    is_ending = False

    def _on_prune(self) -> None:
        self.is_ending = True
        self.workers.cancel_node(self)
