"""Runs over several processes: a coordinator hands out shards of paths, workers make part files."""
