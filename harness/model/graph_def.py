"""Reading a frozen graph: a GraphDef whose variables are constants."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ModelError, Problem
from harness.model.graph import Graph, read_graph
from harness.model.graph_outputs import Needs
from harness.model.inspected import Inspected
from harness.model.model import Writer
from harness.model.settings import Settings
from harness.model.wire import WireError, whole
from harness.model.wiring import wire
from harness.untrusted import UntrustedFileError, open_regular

__all__ = ["inspect_graph_def", "read_graph_def"]

_NAMED = 5
_AGAIN = "copy or save the model again"


def inspect_graph_def(path: Path, settings: Settings) -> Inspected:
    """Read what a frozen graph takes and gives: what `model.yaml` says, else what it looks like.

    Raises:
        ModelError: the file is damaged, its outputs cannot be told or computed, or tensors that
            `model.yaml` names are not in it.
    """
    graph = read_graph_def(path)
    wired = wire(path, graph, settings)
    if wired.needs.variables:
        raise ModelError([_not_frozen(path, wired.needs)])
    return Inspected(
        writer=Writer(),
        signatures=(wired.signature,),
        wiring={wired.signature.name: wired.wiring},
        notes=wired.notes,
        producer=graph.producer,
    )


def read_graph_def(path: Path) -> Graph:
    """Return the nodes of a GraphDef.

    Raises:
        ModelError: the file is damaged.
    """
    try:
        with open_regular(path.resolve()) as stream:
            return read_graph(stream, [whole(stream)])
    except (UntrustedFileError, FileNotFoundError) as error:
        raise ModelError([Problem(where=str(path), what=str(error))]) from None
    except WireError as error:
        what = f"is damaged: {error}"
        raise ModelError([Problem(where=str(path), what=what, hint=_AGAIN)]) from None


def _not_frozen(path: Path, needs: Needs) -> Problem:
    more = f" and {len(needs.variables) - _NAMED} more" if len(needs.variables) > _NAMED else ""
    listed = ", ".join(needs.variables[:_NAMED]) + more
    return Problem(
        where=str(path),
        what="is a graph that is not frozen: its outputs need variables, which have no values in "
        f"it ({listed})",
        hint="freeze it (`tf.compat.v1.graph_util.convert_variables_to_constants`), give its "
        "checkpoint with the .meta file, or name outputs in model.yaml that need no variable",
    )
