#!/usr/bin/env python3
"""A sweep on a Dask cluster of two workers on this machine.

    python examples/scaling/dask_sweep.py NETWORK.onnx [NETWORK.onnx …] [--resume FILE]

The same code runs on a cluster: give `Client` the address of its scheduler. The jobs are every network in every
norm, and every logit by itself, so that work spreads evenly. Certified radii of a data set are a function of one
input: `geolip.map(functools.partial(geolip.radius, path), inputs, executor=client.get_executor())`.
"""

from __future__ import annotations

import argparse

from dask.distributed import Client, LocalCluster

import geolip


def run(paths: list[str], resume: str | None = None, outputs: int = 10) -> list[geolip.Result]:
    """The results in the order of completion."""
    networks = [geolip.load(path) for path in paths]
    jobs = geolip.sweep(networks, norm=["linf", "l2"], output=list(range(outputs)))
    results = []
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        for result in geolip.map(jobs, executor=client.get_executor(), resume=resume):
            job = result.job
            what = f"{job['network'].name} {job['norm']:5} {job['output']}"
            if result.ok:
                report = result.value if isinstance(result.value, dict) else result.value.to_dict()
                bound = report["bounds"][0]
                print(f"{what}  {bound['lower']:.4f} <= Lip <= {bound['upper']:.4f}  {result.seconds:.2f} s")
            else:
                print(f"{what}  {result.error}")
            results.append(result)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bounds on a local Dask cluster of two workers")
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--resume", help="a JSON-lines file of results")
    arguments = parser.parse_args()
    run(arguments.networks, arguments.resume)
