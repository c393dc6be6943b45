r"""Models that want to be obeyed by a terminal or a page: escapes, bidirectional text, markup."""

from tests.hostile.attack import Attack
from tests.hostile.attacks.forging import forger

NASTY = (
    r"\x1b[31mRED\x1b[0m\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x9b2J\u202egnp.exe\u2066"
    r"\r[ 9/9] all identical\x08\x00<script>alert(1)</script>| x | y |\n\n# head ![i](http://evil)"
)

ATTACKS = (
    Attack(
        name="prints-escapes",
        vehicle="build",
        does="terminal escapes in what it prints",
        code=f"""
def attack():
    print("{NASTY}", flush=True)
""",
        verdict="equivalent",
    ),
    Attack(
        name="raises-escapes",
        vehicle="build",
        does="terminal escapes in an error's text",
        code=f"""
def attack():
    raise ValueError("{NASTY}")
""",
        verdict="failed",
        stage="load",
        reason="code-failed",
    ),
    forger(
        "names-escapes",
        "terminal escapes in every name and version of a report",
        f"""
text = "{NASTY}"
actual = dict.fromkeys(
    ("tensorflow", "python", "numpy", "keras", "h5py", "cuda", "cudnn", "device", "cpu",
     "machine", "libc", "git_version"), text)
forge(
    outputs=[{{"name": text, "dtype": "float32", "shape": [32, 10]}}],
    actual=dict(actual, build_info={{text: text}}),
    packages={{text: text}},
    signature=text,
    inputs=[{{"name": text, "dtype": text, "shape": [1]}}],
    inputs_digest=text,
    warnings=[text] * 3,
    training={{"optimizer": text, "problem": text}},
    restored={{"expected": 2, "restored": 1, "unrestored": [text], "unused": [text]}},
)
""",
        "mislabelled",
    ),
    forger(
        "fails-in-escapes",
        "terminal escapes in every word of a failure",
        f"""
text = "{NASTY}"
forge(
    completed=False,
    stage="infer",
    failure={{"type": text, "message": text, "traceback": text}},
    warnings=[text],
    restored={{"expected": 2, "restored": 1, "unrestored": [text], "unused": [text]}},
)
""",
        "failed",
        reason="unclassified",
    ),
)
