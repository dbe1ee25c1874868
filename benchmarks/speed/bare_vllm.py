"""vLLM without our engine around it: `python -m benchmarks.speed.bare_vllm DESCRIPTOR`.

It is set up like our engine's process, gets the same orders, and makes vLLM's prompts and sampling
parameters of them outside of the time that it takes: what is left is `LLM.generate` alone.
"""

from __future__ import annotations

import resource
import sys
import time
from multiprocessing.connection import Connection


def serve(connection: Connection) -> None:
    """Load the model, then answer orders by (tokens, wall seconds, processor seconds)."""
    from domino.engines.vllm_worker import load, prompts_of, sampling_of

    llm = load(connection.recv()["options"])
    connection.send("ready")
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        prompts, sampling = prompts_of(llm, order), sampling_of(order)
        wall, cpu = time.perf_counter(), _cpu_s()
        done = llm.generate(prompts, sampling, use_tqdm=False)
        taken = time.perf_counter() - wall, _cpu_s() - cpu
        connection.send((sum(len(output.outputs[0].token_ids) for output in done), *taken))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as pipe:
        serve(pipe)
