"""SavedModels whose own ops attack: no Python is needed; `make.py` has them by name."""

from tests.hostile.attack import Attack

ATTACKS = (
    Attack(
        name="graph-writes",
        vehicle="graph",
        does="WriteFile to / and to the model",
        verdict="failed",
        stage="infer",
        reason="read-only-file-system",
    ),
    Attack(
        name="graph-reads-the-host",
        vehicle="graph",
        does="ReadFile of a file of the host",
        verdict="failed",
        stage="infer",
        reason="file-not-found",
    ),
    Attack(
        name="graph-looks-around",
        vehicle="graph",
        does="ReadFile of /etc/passwd and its own environment, MatchingFiles of /*",
        verdict="diverged",
    ),
    Attack(
        name="graph-names-escapes",
        vehicle="graph",
        does="terminal escapes in the names of outputs",
        verdict="diverged",
    ),
)
