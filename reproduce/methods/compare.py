"""`geolip compare`: the other methods that our program has, each with its own proof."""

from __future__ import annotations

import json

from reproduce import measure, rows
from reproduce.job import Job, Sink
from reproduce.methods.geolip import Failed

# its name there -> here
METHODS = {
    "natural_form": "natural form",
    "layer_wise": "layer-wise",
    "linear_program": "LiPopt",
    "eclipse_fast": "ECLipsE-Fast, ours",
    "norm_product": "norm product",
    "brute_force": "brute force",
}


def run(job: Job, sink: Sink) -> None:
    """All of them in one process: peak memory is that of the largest."""
    for norm in dict.fromkeys(norm for norm, _ in job.rows):
        command = [job.geolip, "compare", job.file, "--json", "--norm", norm]
        if "limit" in job.options:
            command += ["--time-limit", str(job.options["limit"])]
        process = measure.run(command, timeout=job.cap)
        if process.timed_out:
            return
        if process.code != 0:
            raise Failed(process.errors.strip())
        for found in json.loads(process.output)["methods"]:
            method = METHODS.get(found["method"])
            if method is None:
                continue
            if found["value"] is None:
                sink.done(norm, method, rows.NOT_APPLICABLE, note=found["reason"])
                continue
            guarantee = {"exact": rows.EXACT, "certified": rows.CERTIFIED}[found["guarantee"]]
            for one in found["bounds"]:
                sink.value(norm, method, guarantee, one["output"], one["value"], found["seconds"])
            sink.done(norm, method, note=found["note"] or "", peak_mib=process.peak_mib)
