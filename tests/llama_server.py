"""llama.cpp's server over a GGUF file: ``python tests/llama_server.py [MODEL.gguf] [PORT]``; prints its address."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from agent.data.assets import SMOLLM2, asset, asset_path  # noqa: E402


def model_file() -> Path | None:
    """The fetched base model as its wheel brings it; None where it was not fetched."""
    folder = asset_path(SMOLLM2)
    return None if folder is None else folder / Path(asset(SMOLLM2).members[0].name).name


def main(model: Path, port: int) -> None:
    """Serve until the process ends."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = 8192
    params.n_parallel = 2  # reading and wording keep a prefix each
    params.use_jinja = True
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else model_file()
    if given is None:
        raise SystemExit("the base model is missing: fetch it with `concierge data fetch`")
    main(given, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
