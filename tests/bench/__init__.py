"""Benchmarks: ours beside a peer and beside the limit, measured in turn in the same run. Never an assertion on time."""
