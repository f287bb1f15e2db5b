"""What the files in ``deploy/`` say, read as an engine for containers reads them."""

import re
import shlex

from tests.support.processes import ROOT

DEPLOY = ROOT / "deploy"


def read_dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the image, each with its arguments; the stages come one after the other."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n", " ", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(name, arguments.strip()) for name, _, arguments in (line.partition(" ") for line in lines)]


def read_final_stage() -> dict[str, str]:
    """Return the instructions that the image itself is made with; of several of one name the last."""
    instructions = read_dockerfile()
    (*_, last) = (position for position, (name, _) in enumerate(instructions) if name == "FROM")
    return dict(instructions[last:])


def read_image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(word.split("=", 1) for word in shlex.split(read_final_stage()["ENV"]))
