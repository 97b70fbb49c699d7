"""`muster` for the emulator: the real one, told where MiniStack serves the addresses that a stack's outputs name."""

import json
import os
import sys
from pathlib import Path

from parts import built
from stack import Stack, served

words = sys.argv[1:]
if "--stack" in words:
    place = json.loads(Path(os.environ["MUSTER_PLACE"]).read_text())
    http, socket = served(place["gateway"], Stack(words[words.index("--stack") + 1]).outputs())
    words += ["--url", http, "--websocket-url", socket]
os.execv(built() / "muster", ["muster", *words])
